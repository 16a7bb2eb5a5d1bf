import type { Addresses } from '../world/status.ts';

/** What a person needs once the world is up: where everything is, and what to try. */
export function welcome({ cloud, campus }: Addresses, seconds: string): readonly string[] {
  const table: [string, string | null][] = [
    ['on campus, everybody opens', campus.skooly === null ? null : campus.gateway],
    ['elsewhere, everybody opens', cloud.skooly],
    ['the box itself', `${campus.admin}/status`],
    ['relay', `${cloud.relay} (its authority: ${cloud.relayCa})`],
    ['database on campus', campus.postgres],
    ['database in the cloud', cloud.postgres],
  ];
  return [
    '',
    `Ready after ${seconds} s.`,
    '',
    ...table.filter(([, url]) => url !== null).map(([what, url]) => `  ${what.padEnd(28)} ${url}`),
    '',
    'Try in another terminal:',
    '  npm run lab -- cut        cut the submarine cable',
    '  npm run lab -- status     see Local Mode, and what is pending',
    '  npm run lab -- heal       mend it, and watch both sides become equal',
    '  npm run lab -- verify     compare every row of both sides',
    '  npm run lab -- day        a school day through the gateway',
    '',
    'npm run lab -- down  ends it, and so does Ctrl-C where it runs in the foreground.',
  ];
}
