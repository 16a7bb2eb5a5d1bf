/** What the command line and the table of results say of the benches `backup` and `restore`: one run measures both. */
import type { Command } from 'commander';
import { type BackupResult, type BackupSize, backupSize, benchBackup } from './backup.ts';

type ReadNumber = (text: string) => number;

export function addBackupCommands(program: Command, wholeNumber: ReadNumber): void {
  const add = (bench: 'backup' | 'restore', description: string) =>
    program
      .command(bench)
      .description(description)
      .option('--mebibytes <n>', 'rows in the database', wholeNumber, backupSize.mebibytes)
      .option('--segments <n>', 'segments of WAL', wholeNumber, backupSize.segments)
      .option('--json', 'end with one line of JSON')
      .action(async ({ json, ...size }: BackupSize & { json?: boolean }) => {
        const result = await benchBackup(size, (line) => process.stderr.write(`${line}\n`));
        const part = bench === 'restore' ? restoreOf(result) : result;
        process.stdout.write(json ? `${JSON.stringify(part)}\n` : table(result));
      });
  add('backup', 'a base and the WAL of a busy time until they are in two regions, against pgBackRest');
  add('restore', 'the same, judged by the restore from one region to a server that answers');
}

export function backupRows(result: BackupResult): string[][] {
  const { ours, peer, ratios, memoryTargetMiB, target } = result;
  const ratio = (of: number) => `${of.toFixed(2)} (≥ ${target})`;
  const base = `base of ${result.databaseMiB} MiB ${ours.baseSeconds.toFixed(1)} s against ${peer.baseSeconds.toFixed(1)} s`;
  const wal = `${ours.segmentsPerSecond.toFixed(1)} against ${peer.segmentsPerSecond.toFixed(1)} segments/s`;
  const memory = `${ours.peakMiB.backup} MiB (≤ ${memoryTargetMiB})`;
  const restore = `${ours.restoreSeconds.toFixed(1)} s against ${peer.restoreSeconds.toFixed(1)} s, ${ours.peakMiB.restore} MiB`;
  const fits = ours.peakMiB.backup <= memoryTargetMiB;
  return [
    ['backup, base', `${base}, ${memory}`, ratio(ratios.base), yes(ratios.base >= target && fits), ''],
    ['backup, WAL', wal, ratio(ratios.wal), yes(ratios.wal >= target), ''],
    ['restore', restore, ratio(ratios.restore), yes(restoreOf(result).met), ''],
  ];
}

function restoreOf({ ours, peer, ratios, target, memoryTargetMiB, databaseMiB, segments }: BackupResult) {
  const peakMiB = ours.peakMiB.restore;
  return {
    bench: 'restore',
    databaseMiB,
    segments,
    ours: { seconds: ours.restoreSeconds, peakMiB },
    peer: { name: peer.name, seconds: peer.restoreSeconds },
    ratio: ratios.restore,
    target,
    memoryTargetMiB,
    met: ratios.restore >= target && peakMiB <= memoryTargetMiB,
  };
}

function table(result: BackupResult): string {
  return `${backupRows(result)
    .map(([name = '', measured = '', ratio = '']) => `${name.padEnd(14)} ${measured}; ratio ${ratio}`)
    .join('\n')}\n`;
}

const yes = (met: boolean) => (met ? 'yes' : 'no');
