/** What the command line and the table of results say of the benches `capture`, `latency` and `wire`. */
import type { Command } from 'commander';
import type { BacklogResult } from './backlog.ts';
import { benchCapture, type CaptureResult, type CaptureSize, captureSize } from './capture.ts';
import { benchLatency, type Delays, type LatencyResult } from './latency.ts';
import { benchWire, type WireDirection, type WireResult, wireOf } from './wire.ts';

type Report = (line: string) => void;
type ReadNumber = (text: string) => number;

const latencySamples = 500;
const wireChanges = 100_000;
const toStderr: Report = (line) => process.stderr.write(`${line}\n`);
const yes = (met: boolean) => (met ? 'yes' : 'no');
const range = ([low, high]: readonly [number, number], digits: number) =>
  `${low.toFixed(digits)}–${high.toFixed(digits)}`;

export function addSyncCommands(program: Command, wholeNumber: ReadNumber): void {
  const json = ['--json', 'end with one line of JSON'] as const;
  const print = (result: object, asJson: boolean | undefined, text: string) =>
    process.stdout.write(asJson ? `${JSON.stringify(result)}\n` : text);
  program
    .command('capture')
    .description("what capture costs the campus's own writes: transactions a second with it and without")
    .option('--transactions <n>', 'of each side in each round', wholeNumber, captureSize.transactions)
    .option('--rounds <n>', 'rounds', wholeNumber, captureSize.rounds)
    .option('--connections <n>', 'writers at once', wholeNumber, captureSize.connections)
    .option(...json)
    .action(async ({ json, ...size }: CaptureSize & { json?: boolean }) => {
      const result = await benchCapture(size, toStderr);
      print(result, json, captureText(result));
    });
  program
    .command('latency')
    .description('one write at a time while the line is good: from its commit until the other side sees it')
    .option('--samples <n>', 'writes in each direction', wholeNumber, latencySamples)
    .option(...json)
    .action(async ({ samples, json }: { samples: number; json?: boolean }) => {
      const result = await benchLatency(samples, toStderr);
      print(result, json, latencyText(result));
    });
  program
    .command('wire')
    .description('bytes of a change on the wire, up and down, against the raw pgoutput stream')
    .option('--changes <n>', 'changes in the backlog, two per transaction', wholeNumber, wireChanges)
    .option(...json)
    .action(async ({ changes, json }: { changes: number; json?: boolean }) => {
      const result = await benchWire(changes, toStderr);
      print(result, json, wireText(result));
    });
}

/**
 * Rows of the table of results: name, what was measured, against the target, met, bytes.
 *
 * @param backlogs What `reconcile` and `pull` came to: `wire` needs no other run.
 */
export async function syncRows(
  backlogs: readonly [BacklogResult, BacklogResult],
  report: Report,
): Promise<string[][]> {
  const capture = await benchCapture(captureSize, report);
  const latency = await benchLatency(latencySamples, report);
  return [captureRow(capture), latencyRow(latency), wireRow(wireOf(...backlogs))];
}

export const syncNotes = `\`capture\` is the median of rounds in turns; "with" is all that the product
adds: \`wal_level\`, commit timestamps, replica identity, slot, appliance; "settings alone" is a server with the first three and no more. \`latency\` runs from the sending of COMMIT, one write at a time, to the row seen
on the other side, over an unshaped cable. \`wire\` is the worse direction: every byte over the cable, TLS and HTTP with it, over the bare
stream from tables with the default replica identity.`;

function captureRow({ ours, peer, settings, ratio, ratioSpread, target, met }: CaptureResult): string[] {
  const rates = `${ours.perSecond.toFixed(0)} against ${peer.perSecond.toFixed(0)} transactions/s; rounds ${range(ratioSpread, 2)}; settings alone ${settings.ratio.toFixed(2)}`;
  return ['capture', rates, `${ratio.toFixed(2)} (≥ ${target})`, yes(met), ''];
}

const delaysText = ({ p50Ms, p99Ms }: Delays) => `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`;

function latencyRow({ up, down, ours, target, met }: LatencyResult): string[] {
  const measured = `up ${delaysText(up)}; down ${delaysText(down)}`;
  return ['latency', measured, `${ours.toFixed(1)} ms (≤ ${target})`, yes(met), ''];
}

function wireRow({ up, down, ratio, target, met }: WireResult): string[] {
  const measured = `up ${up.ratio.toFixed(3)}, down ${down.ratio.toFixed(3)} of raw pgoutput`;
  const bytes = `${up.bytesPerChange.toFixed(1)} B a change up, ${down.bytesPerChange.toFixed(1)} B down`;
  return ['wire', measured, `${ratio.toFixed(3)} (≤ ${target})`, yes(met), bytes];
}

function captureText(result: CaptureResult): string {
  const { transactions, rounds, connections, ours, peer, settings, target, met, behindSeconds } = result;
  const { ratio, ratioSpread } = result;
  const cpu = result.cpuMicroseconds;
  const row = (name: string, { perSecond, spread }: CaptureResult['ours']) =>
    `${name.padEnd(40)}${perSecond.toFixed(0).padStart(7)}/s (${range(spread, 0)})\n`;
  return [
    `\ncapture, ${rounds} rounds of ${transactions} transactions each way, ${connections} writers\n`,
    row('with capture', ours),
    row(peer.name, peer),
    row('with the settings alone', settings),
    `processor a transaction: Postgres ${cpu.with.postgres.toFixed(0)} µs and the appliance ${cpu.with.appliance.toFixed(0)} µs (and ${cpu.with.later.toFixed(0)} µs when it is quiet),\n`,
    `  without ${cpu.without.postgres.toFixed(0)} µs, with the settings alone ${cpu.settings.postgres.toFixed(0)} µs\n`,
    `the log was behind by ${behindSeconds.toFixed(2)} s at most, and held exactly what was committed\n`,
    `ratio ${ratio.toFixed(3)} (rounds ${range(ratioSpread, 3)}; target ${target}, ${met ? 'met' : 'not met'}); of the settings alone ${settings.ratio.toFixed(3)}\n`,
  ].join('');
}

function latencyText({ samples, up, down, target, met }: LatencyResult): string {
  const row = (name: string, delays: Delays) =>
    `${name.padEnd(20)}${delaysText(delays)}, at most ${delays.mostMs.toFixed(1)} ms (commit ${delays.commitMs.toFixed(1)} ms, known to ${delays.resolutionMs.toFixed(1)} ms)\n`;
  return [
    `\nlatency, ${samples} writes each way\n`,
    row('campus to cloud', up),
    row('cloud to campus', down),
    `target p50 ${target} ms up, ${met ? 'met' : 'not met'}\n`,
  ].join('');
}

function wireText({ changes, up, down, target, met }: WireResult): string {
  const row = (name: string, { bytesPerChange, rawBytesPerChange, ratio }: WireDirection) =>
    `${name.padEnd(8)}${bytesPerChange.toFixed(1).padStart(8)} B against ${rawBytesPerChange.toFixed(1)} B: ${ratio.toFixed(3)}\n`;
  return [
    `\nwire, ${changes} changes each way\n`,
    row('up', up),
    row('down', down),
    `target ${target}, ${met ? 'met' : 'not met'}\n`,
  ].join('');
}
