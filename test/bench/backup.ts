/**
 * Backups against pgBackRest, the same database to the same two regions in one run: a base backup until it is whole in both, the WAL
 * of a busy time until all of it is in both, and a restore from one region to a server that answers.
 */

import { openOurs } from './backup-ours.ts';
import { type BackupWorld, type Contender, openWorld, timed } from './backup-world.ts';
import { openPgBackRest } from './pgbackrest.ts';

export interface BackupSize {
  /** Of rows. */
  mebibytes: number;
  segments: number;
}

export const backupSize: BackupSize = { mebibytes: 1_100, segments: 60 };

const target = 1;
/** Whatever the size of the database. */
const memoryTargetMiB = 256;

export interface BackupFigures {
  baseSeconds: number;
  segmentsPerSecond: number;
  restoreSeconds: number;
}

export interface BackupResult {
  bench: 'backup';
  databaseMiB: number;
  segments: number;
  ours: BackupFigures & { peakMiB: { backup: number; restore: number } };
  peer: BackupFigures & { name: string };
  /** The peer's time over ours: above 1 we are faster. */
  ratios: { base: number; wal: number; restore: number };
  /** The least of them. */
  ratio: number;
  target: number;
  memoryTargetMiB: number;
  met: boolean;
}

/** @throws when what was restored is not what was backed up. */
export async function benchBackup(
  { mebibytes, segments }: BackupSize,
  report: (line: string) => void,
): Promise<BackupResult> {
  report(`a database of ${mebibytes} MiB of rows`);
  await using world = await openWorld(mebibytes);
  const databaseMiB = await sizeOf(world);
  const peer = openPgBackRest(world);
  const ours = openOurs(world);
  const theirFigures = await measure(world, peer, segments, report);
  const ourFigures = await measure(world, ours, segments, report);
  const peakMiB = ours.peaks() ?? { backup: 0, restore: 0 };
  const ratios = {
    base: theirFigures.baseSeconds / ourFigures.baseSeconds,
    wal: ourFigures.segmentsPerSecond / theirFigures.segmentsPerSecond,
    restore: theirFigures.restoreSeconds / ourFigures.restoreSeconds,
  };
  const ratio = Math.min(...Object.values(ratios));
  const fits = Math.max(peakMiB.backup, peakMiB.restore) <= memoryTargetMiB;
  return {
    bench: 'backup',
    databaseMiB,
    segments,
    ours: { ...ourFigures, peakMiB },
    peer: { name: peer.name, ...theirFigures },
    ratios,
    ratio,
    target,
    memoryTargetMiB,
    met: ratio >= target && fits,
  };
}

async function measure(
  world: BackupWorld,
  contender: Contender,
  segments: number,
  report: (line: string) => void,
): Promise<BackupFigures> {
  const step = async (what: string, work: () => Promise<unknown>) => {
    const seconds = (await timed(work)) / 1000;
    report(`${contender.name}: ${what} ${seconds.toFixed(1)} s`);
    return seconds;
  };
  await world.asFilled();
  try {
    await step('ready', () => contender.prepare());
    const baseSeconds = await step('base', () => contender.base());
    await world.archiveWith('');
    const last = await world.writeSegments(segments);
    const walSeconds = await step(`${segments} segments`, async () => {
      await world.archiveWith(contender.archiveCommand);
      await contender.inBothRegions(last);
    });
    const wanted = await world.fingerprint(world.postgres.url);
    let restored: Awaited<ReturnType<Contender['restore']>> | undefined;
    const restoreSeconds = await step('restored', async () => {
      restored = await contender.restore();
    });
    const got = restored && (await world.fingerprint(restored.url));
    await restored?.stop();
    if (got !== wanted) throw new Error(`${contender.name} restored ${got} of ${wanted}`);
    return { baseSeconds, segmentsPerSecond: segments / walSeconds, restoreSeconds };
  } finally {
    await contender.stop();
    await world.archiveWith('');
  }
}

async function sizeOf(world: BackupWorld): Promise<number> {
  const [row] = await world.query('SELECT pg_database_size(current_database()) AS bytes');
  return Math.round(Number(row?.bytes) / 2 ** 20);
}
