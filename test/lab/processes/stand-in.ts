/**
 * A small server for the tests of this room. Arguments: `serve FILE` makes FILE when it is ready and runs until SIGTERM; `refuse
 * SENTENCE` ends at once with that sentence and code 1.
 */
import { writeFileSync } from 'node:fs';

const [command, argument = ''] = process.argv.slice(2);
if (command === 'refuse') {
  console.error(argument);
  process.exit(1);
}
const alive = setInterval(() => undefined, 1_000);
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    console.log('ended in order');
    clearInterval(alive);
  });
}
writeFileSync(argument, String(process.pid));
