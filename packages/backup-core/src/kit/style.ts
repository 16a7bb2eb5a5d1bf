import type { Html } from './html.ts';

/** Black on white, large enough for bad light; commands wrap rather than run off the paper. */
export const style: Html = {
  text: `
@page { size: A4; margin: 15mm; }
body { font: 11pt/1.4 sans-serif; color: #000; background: #fff; max-width: 180mm; margin: 0 auto; }
article + article { break-before: page; }
header { display: flex; justify-content: space-between; gap: 8mm; }
figure { margin: 0; width: 42mm; font-size: 8pt; text-align: center; }
figure svg { width: 42mm; height: 42mm; }
h1 { font-size: 20pt; margin: 0; }
h2 { font-size: 13pt; margin: 5mm 0 1mm; break-after: avoid; }
h3 { font-size: 11pt; margin: 2mm 0 0; break-after: avoid; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #000; padding: 1mm 2mm; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
pre { font: 9pt/1.35 monospace; border: 1px solid #000; padding: 2mm; white-space: pre-wrap; overflow-wrap: anywhere; margin: 1mm 0; }
.important { border: 2px solid #000; padding: 2mm; font-weight: bold; }
`,
};
