/** `npm run bench -- NAME`: each bench sets us beside a peer in one run on one machine. */
import { Command, InvalidArgumentError } from 'commander';
import { benchAll } from './all.ts';
import { type BacklogBench, type BacklogResult, benchBacklog } from './backlog.ts';
import { addBackupCommands } from './backup-commands.ts';
import { benchGateway, type GatewaySize, gatewaySize, gatewayText } from './gateway.ts';
import { addLinkCommands } from './link-commands.ts';
import { benchResync, type ResyncResult } from './resync.ts';
import { benchStormAlone, type StormResult } from './storm.ts';
import { addSyncCommands } from './sync-commands.ts';

export function buildCli(): Command {
  const program = new Command('bench').description(
    'Figures, always as a ratio against a peer measured in the same run.',
  );
  program.action(() => benchAll((line) => process.stderr.write(`${line}\n`)));
  const backlog = (bench: BacklogBench, description: string) =>
    program
      .command(bench)
      .description(description)
      .option('--changes <n>', 'changes in the backlog, two per transaction', wholeNumber, 100_000)
      .option('--json', 'end with one line of JSON')
      .action(async ({ changes, json }: { changes: number; json?: boolean }) => {
        const result = await benchBacklog(bench, changes, (line) => process.stderr.write(`${line}\n`));
        process.stdout.write(json ? `${JSON.stringify(result)}\n` : table(result));
      });
  backlog(
    'reconcile',
    "a campus's backlog after a cut: cable healed → committed in the cloud, against native logical replication",
  );
  backlog('pull', 'the same backlog made in the cloud: cable healed → committed on campus');
  program
    .command('resync')
    .description('a large table in which few rows differ: what finding and repairing them takes and moves')
    .option('--rows <n>', 'rows of the table', wholeNumber, 1_000_000)
    .option('--differences <n>', 'rows that differ', wholeNumber, 1_000)
    .option('--json', 'end with one line of JSON')
    .action(async ({ rows, differences, json }: { rows: number; differences: number; json?: boolean }) => {
      const result = await benchResync(rows, differences, (line) => process.stderr.write(`${line}\n`));
      process.stdout.write(json ? `${JSON.stringify(result)}\n` : resyncTable(result));
    });
  program
    .command('storm')
    .description(
      'campuses that reconnect at once to one relay: how long the slowest takes, and what the relay does',
    )
    .option('--campuses <n>', 'campuses', wholeNumber, 1_000)
    .option('--changes <n>', 'changes of each, two per transaction', wholeNumber, 1_000)
    .option('--json', 'end with one line of JSON')
    .action(async ({ campuses, changes, json }: { campuses: number; changes: number; json?: boolean }) => {
      const result = await benchStormAlone({ campuses, changes }, (line) =>
        process.stderr.write(`${line}\n`),
      );
      process.stdout.write(json ? `${JSON.stringify(result)}\n` : stormTable(result));
    });
  program
    .command('gateway')
    .description("the same requests straight to Skooly and through the box's gateway")
    .option('--requests <n>', 'requests each way in each round', wholeNumber, gatewaySize.requests)
    .option('--rounds <n>', 'rounds', wholeNumber, gatewaySize.rounds)
    .option('--json', 'end with one line of JSON')
    .action(async ({ json, ...size }: GatewaySize & { json?: boolean }) => {
      const result = await benchGateway(size, (line) => process.stderr.write(`${line}\n`));
      process.stdout.write(json ? `${JSON.stringify(result)}\n` : gatewayText(result));
    });
  addLinkCommands(program, wholeNumber);
  addBackupCommands(program, wholeNumber);
  addSyncCommands(program, wholeNumber);
  return program;
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 2)
    throw new InvalidArgumentError('give a whole number from 2 on.');
  return number;
}

function table({ bench, changes, ours, peer, ratio, target, met, wireRatio }: BacklogResult): string {
  const row = (name: string, seconds: number, rate: number, bytes: number) =>
    `${name.padEnd(28)}${seconds.toFixed(2).padStart(9)} s${String(rate).padStart(12)}/s${bytes.toFixed(1).padStart(10)} B\n`;
  return [
    `\n${`${bench}, ${changes} changes`.padEnd(32)}time     changes       a change\n`,
    row('Skooly Edge', ours.seconds, ours.changesPerSecond, ours.wireBytesPerChange),
    row(peer.name, peer.seconds, peer.changesPerSecond, peer.rawBytesPerChange),
    `\nratio ${ratio.toFixed(2)} (target ${target.toFixed(1)}, ${met ? 'met' : 'not met'}); `,
    `on the wire ${wireRatio.toFixed(3)} of the raw pgoutput stream\n`,
  ].join('');
}

function resyncTable(result: ResyncResult): string {
  const { rows, differences, digestSeconds, seconds, wireBytes, limitBytes, differingBytes, copyBytes } =
    result;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  return [
    `\nresync, ${rows} rows, ${differences} differ\n`,
    `one digest of the table   ${digestSeconds.toFixed(2)} s\n`,
    `compared and repaired in  ${seconds.toFixed(2)} s\n`,
    `moved over the cable      ${megabytes(wireBytes)} (limit ${megabytes(limitBytes)}, ${result.met ? 'met' : 'not met'})\n`,
    `the rows that differed    ${megabytes(differingBytes)}\n`,
    `a fresh copy              ${megabytes(copyBytes)} before compression\n`,
  ].join('');
}

function stormTable(result: StormResult): string {
  const { campuses, changes, cores, seconds, ours, target, requests, later, changesPerSecond } = result;
  return [
    `\nstorm, ${campuses} campuses, ${changes} changes each, ${cores} cores\n`,
    `drained after             ${seconds.first.toFixed(1)} s the first, ${seconds.median.toFixed(1)} s the median, `,
    `${seconds.slowest.toFixed(1)} s the slowest (${changesPerSecond} changes/s)\n`,
    `slowest over the median   ${ours.slowestToMedian.toFixed(2)} (limit ${target.slowestToMedian})\n`,
    `relay's memory, at most   ${ours.relayPeakMebibytes.toFixed(0)} MiB (limit ${target.relayPeakMebibytes})\n`,
    `errors                    ${ours.errors} (limit ${target.errors}) in ${requests} requests; ${later} were told to come later\n`,
    `${result.met ? 'met' : 'not met'}\n`,
  ].join('');
}
