/** `npm run bench -- NAME`: each bench sets us beside a peer in one run on one machine. */
import { Command, InvalidArgumentError } from 'commander';
import { benchReconcile, type ReconcileResult } from './reconcile.ts';

export function buildCli(): Command {
  const program = new Command('bench').description(
    'Figures, always as a ratio against a peer measured in the same run.',
  );
  program
    .command('reconcile')
    .description(
      'a backlog after a cut: cable healed → committed in the cloud, against native logical replication',
    )
    .option('--changes <n>', 'changes in the backlog, two per transaction', wholeNumber, 100_000)
    .option('--json', 'end with one line of JSON')
    .action(async ({ changes, json }: { changes: number; json?: boolean }) => {
      const result = await benchReconcile(changes, (line) => process.stderr.write(`${line}\n`));
      process.stdout.write(json ? `${JSON.stringify(result)}\n` : table(result));
    });
  return program;
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 2)
    throw new InvalidArgumentError('give a whole number from 2 on.');
  return number;
}

function table({ changes, ours, peer, ratio, target, met, wireRatio }: ReconcileResult): string {
  const row = (name: string, seconds: number, rate: number, bytes: number) =>
    `${name.padEnd(28)}${seconds.toFixed(2).padStart(9)} s${String(rate).padStart(12)}/s${bytes.toFixed(1).padStart(10)} B\n`;
  return [
    `\nreconcile, ${changes} changes            time     changes       a change\n`,
    row('Skooly Edge', ours.seconds, ours.changesPerSecond, ours.wireBytesPerChange),
    row(peer.name, peer.seconds, peer.changesPerSecond, peer.rawBytesPerChange),
    `\nratio ${ratio.toFixed(2)} (target ${target.toFixed(1)}, ${met ? 'met' : 'not met'}); `,
    `on the wire ${wireRatio.toFixed(3)} of the raw pgoutput stream\n`,
  ].join('');
}
