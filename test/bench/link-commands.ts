/** What the command line and the table of results say of the benches `narrow`, `growth` and `idle`. */
import type { Command } from 'commander';
import { benchGrowth, type GrowthResult } from './growth.ts';
import { benchIdle, type IdleResult, idleSize } from './idle.ts';
import { benchNarrow, type NarrowResult, narrowSize } from './narrow.ts';

type Report = (line: string) => void;
type ReadNumber = (text: string) => number;

const growthSizes = [10_000, 100_000, 1_000_000] as const;
const toStderr: Report = (line) => process.stderr.write(`${line}\n`);
const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
const yes = (met: boolean) => (met ? 'yes' : 'no');

export function addLinkCommands(program: Command, wholeNumber: ReadNumber): void {
  const json = ['--json', 'end with one line of JSON'] as const;
  const print = (result: object, asJson: boolean | undefined, text: string) =>
    process.stdout.write(asJson ? `${JSON.stringify(result)}\n` : text);
  program
    .command('narrow')
    .description(
      'a backlog over 256 kbit/s, 600 ms and 5 % loss, with cuts: what becomes of the link’s capacity',
    )
    .option('--changes <n>', 'changes in the backlog, two per transaction', wholeNumber, narrowSize.changes)
    .option(...json)
    .action(async ({ changes, json }: { changes: number; json?: boolean }) => {
      const result = await benchNarrow({ ...narrowSize, changes }, toStderr);
      print(result, json, narrowText(result));
    });
  program
    .command('growth')
    .description('backlogs of three sizes, each ten times the one before: time per change, and memory')
    .option('--changes <n>', 'changes in the largest backlog', wholeNumber, growthSizes[2])
    .option(...json)
    .action(async ({ changes, json }: { changes: number; json?: boolean }) => {
      const result = await benchGrowth(
        [changes / 100, changes / 10, changes].map(Math.round) as never,
        toStderr,
      );
      print(result, json, growthText(result));
    });
  program
    .command('idle')
    .description('the appliance at rest: its memory, and what it sends and receives in a day')
    .option('--minutes <n>', 'minutes at rest that are measured', wholeNumber, idleSize.seconds / 60)
    .option(...json)
    .action(async ({ minutes, json }: { minutes: number; json?: boolean }) => {
      const result = await benchIdle({ ...idleSize, seconds: minutes * 60 }, toStderr);
      print(result, json, idleText(result));
    });
}

/** Rows of the table of results: name, what was measured, against the target, met, bytes. */
export async function* linkRows(report: Report): AsyncGenerator<string[], void, void> {
  yield narrowRow(await benchNarrow(narrowSize, report));
  yield growthRow(await benchGrowth(growthSizes, report));
  yield idleRow(await benchIdle(idleSize, report));
}

export const linkNotes = `\`narrow\` is held to the
capacity of the link while it is up: 10,000 changes of about a hundred bytes over 256 kbit/s, 600 ms and 5 % loss, three cuts of 20 s. \`growth\` is what a further
change costs between 100,000 and 1,000,000 changes over what it costs between 10,000 and 100,000. \`idle\` is the appliance's memory at
rest after a backlog of 100,000 changes, and its traffic scaled to a day.`;

function narrowRow(result: NarrowResult): string[] {
  const payments = `payments after ${result.paymentsSeconds.toFixed(0)} s (≤ ${result.paymentsTargetSeconds})`;
  const again = `${megabytes(result.repeatedBytes)} sent again (≤ ${megabytes(result.repeatedLimit)})`;
  const goodput = `${result.ours.toFixed(2)} (≥ ${result.target})`;
  return ['narrow', `${payments}, ${again}`, goodput, yes(result.met), megabytes(result.wireBytes)];
}

function growthRow({ runs, ours, target, met, memory }: GrowthResult): string[] {
  const times = runs.map(({ seconds }) => seconds.toFixed(1)).join(', ');
  const peaks = `memory × ${memory.appliance.toFixed(2)} and ${memory.relay.toFixed(2)} (≤ ${memory.target})`;
  return ['growth', `${times} s; ${peaks}`, `${ours.toFixed(2)} (≤ ${target})`, yes(met), ''];
}

function idleRow({ ours, target, ratio, bytesADay, bytesADayTarget, met }: IdleResult): string[] {
  const wire = `${megabytes(bytesADay.up + bytesADay.down)} a day (≤ ${megabytes(bytesADayTarget)})`;
  return ['idle', `${mebibytes(ours)} (≤ ${mebibytes(target)})`, `${ratio.toFixed(2)} (≤ 1)`, yes(met), wire];
}

function narrowText(result: NarrowResult): string {
  const { changes, cuts, shape } = result;
  return [
    `\nnarrow, ${changes} changes, ${cuts} cuts, ${shape.kbps} kbit/s, ${shape.rttMs} ms, ${shape.lossPct} % loss\n`,
    `goodput                   ${percent(result.ours)} of the link in ${result.seconds.toFixed(1)} s (target ${percent(result.target)})\n`,
    `last payment visible      after ${result.paymentsSeconds.toFixed(1)} s (limit ${result.paymentsTargetSeconds} s)\n`,
    `sent again                ${megabytes(result.repeatedBytes)} (limit ${megabytes(result.repeatedLimit)})\n`,
    `sent                      ${megabytes(result.wireBytes)} in ${result.batches} batches, ${megabytes(result.usefulBytes)} useful\n`,
    `${result.met ? 'met' : 'not met'}\n`,
  ].join('');
}

function growthText({ runs, ours, target, memory, met }: GrowthResult): string {
  const row = ({ changes, seconds, appliance, relay }: GrowthResult['runs'][number]) =>
    `${String(changes).padEnd(12)}${seconds.toFixed(2).padStart(9)} s${mebibytes(appliance.peakBytes).padStart(12)}${mebibytes(relay.peakBytes).padStart(12)}\n`;
  return [
    '\ngrowth           time   appliance       relay (memory, at most)\n',
    ...runs.map(row),
    `\na further change costs ${ours.toFixed(2)} times as much (limit ${target}); `,
    `memory × ${memory.appliance.toFixed(2)} and × ${memory.relay.toFixed(2)} (limit ${memory.target}); ${met ? 'met' : 'not met'}\n`,
  ].join('');
}

function idleText({ seconds, ours, target, peakBytes, bytesADay, bytesADayTarget, met }: IdleResult): string {
  return [
    `\nidle, ${seconds} s at rest\n`,
    `memory                    ${mebibytes(ours)} (limit ${mebibytes(target)}), ${mebibytes(peakBytes)} at most\n`,
    `in a day                  ${megabytes(bytesADay.up)} up, ${megabytes(bytesADay.down)} down (limit ${megabytes(bytesADayTarget)})\n`,
    `${met ? 'met' : 'not met'}\n`,
  ].join('');
}
