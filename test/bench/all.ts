/** `npm run bench`: every bench at its full size, one after the other, and `bench/RESULTS.md` with what they came to. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { type BacklogResult, benchBacklog } from './backlog.ts';
import { backupSize, benchBackup } from './backup.ts';
import { backupRows } from './backup-commands.ts';
import { benchGateway, gatewayRow, gatewaySize } from './gateway.ts';
import { linkNotes, linkRows } from './link-commands.ts';
import { benchResync, type ResyncResult } from './resync.ts';
import { benchStormAlone, type StormResult } from './storm.ts';
import { syncNotes, syncRows } from './sync-commands.ts';

const resultsFile = join(import.meta.dirname, '../../bench/RESULTS.md');
const changes = 100_000;

export async function benchAll(report: (line: string) => void): Promise<void> {
  const rows: string[][] = [];
  const add = (...more: string[][]) => {
    rows.push(...more);
    mkdirSync(join(resultsFile, '..'), { recursive: true });
    writeFileSync(resultsFile, page(rows, new Date()));
  };
  const reconcile = await benchBacklog('reconcile', changes, report);
  const pull = await benchBacklog('pull', changes, report);
  add(backlogRow(reconcile), backlogRow(pull));
  add(...(await syncRows([reconcile, pull], report)));
  add(resyncRow(await benchResync(1_000_000, 1_000, report)));
  add(gatewayRow(await benchGateway(gatewaySize, report)));
  add(stormRow(await benchStormAlone({ campuses: 1_000, changes: 1_000 }, report)));
  add(...backupRows(await benchBackup(backupSize, report)));
  for await (const row of linkRows(report)) add(row);
  report(`written: ${resultsFile}`);
}

function backlogRow({ bench, ours, peer, ratio, target, met, wireRatio }: BacklogResult): string[] {
  const rates = `${ours.changesPerSecond} against ${peer.changesPerSecond} changes/s`;
  return [
    bench,
    rates,
    `${ratio.toFixed(2)} (≥ ${target})`,
    yes(met),
    `${wireRatio.toFixed(2)} of raw pgoutput`,
  ];
}

function resyncRow({ seconds, digestSeconds, wireBytes, limitBytes, met }: ResyncResult): string[] {
  const times = `digest ${digestSeconds.toFixed(1)} s, repaired in ${seconds.toFixed(1)} s`;
  return [
    'resync',
    times,
    `${(wireBytes / limitBytes).toFixed(2)} (≤ 1)`,
    yes(met),
    `${(wireBytes / 1e6).toFixed(2)} MB`,
  ];
}

function stormRow({ ours, target, seconds, met }: StormResult): string[] {
  const memory = `${ours.relayPeakMebibytes.toFixed(0)} MiB (≤ ${target.relayPeakMebibytes})`;
  return [
    'storm',
    `slowest ${seconds.slowest.toFixed(0)} s, ${memory}, ${ours.errors} errors (0)`,
    `${ours.slowestToMedian.toFixed(2)} × the median (≤ ${target.slowestToMedian})`,
    yes(met),
    '',
  ];
}

const yes = (met: boolean) => (met ? 'yes' : 'no');

function page(rows: readonly string[][], at: Date): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
  return `# What the benches came to

${at.toISOString().slice(0, 10)}, ${machine}.

| bench | measured | ratio (target) | met | on the wire |
| ----- | -------- | -------------- | --- | ----------- |
${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}

The peer of \`reconcile\` and \`pull\` is Postgres's own logical replication between the same two servers in the same run: binary transfer,
replica identity by primary key, no initial copy, an apply worker that does not wait for the disk; it detects no conflicts. Both begin
after a morning of 20,000 changes that both sides have. \`resync\` is held to three times the bytes of the differing rows and 1 MB. \`storm\` is a thousand campuses that reconnect to one relay at once;
the load and the database share its cores. \`backup\` and \`restore\` stand beside pgBackRest with two S3 repositories over TLS, encrypted and
compressed (zst 3), two processes, asynchronous archiving. ${linkNotes}
${syncNotes}
`;
}
