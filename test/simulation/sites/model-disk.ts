/**
 * The disk under a box's sync log. What was written and not settled is lost with the power; with the process alone it is not.
 */
import type Sqlite from 'better-sqlite3';
import type { Settling } from '../../../apps/appliance/src/sync-log/sync-log.ts';
import type { Chance } from '../world/chance.ts';
import type { Process } from '../world/process.ts';

const mostUs = 20_000;
/** A disk that has other work. */
const stallShare = 0.2;
const mostStallUs = 500_000;

/** How far the log reaches. */
interface LogEnd {
  seq: number;
  lsn: number;
  openParts: number;
}

export function modelDisk(process: Process, chance: Chance, file: Sqlite.Database): Settling {
  let settled = endOf(file);
  process.onDeath(() => {
    if (chance.happens(0.5)) cutBack(file, settled);
  });
  return {
    async settle() {
      const written = endOf(file);
      await process.sleep(
        chance.happens(stallShare) ? chance.between(0, mostStallUs) : chance.between(0, mostUs),
      );
      if (written.seq >= settled.seq) settled = written;
    },
    settleNow() {
      settled = endOf(file);
    },
    close() {},
  };
}

/** The file as it was when the log ended there. */
function cutBack(file: Sqlite.Database, { seq, lsn, openParts }: LogEnd): void {
  file.prepare('DELETE FROM txn WHERE seq > ?').run(seq);
  file.prepare('DELETE FROM touch WHERE seq > ?').run(seq);
  const setMeta = file.prepare('UPDATE meta SET value = ? WHERE name = ?');
  setMeta.run(String(seq), 'lastSeq');
  setMeta.run(String(lsn), 'lsn');
  setMeta.run(String(openParts), 'openParts');
  file
    .prepare(
      "UPDATE meta SET value = min(CAST(value AS INTEGER), ?) WHERE name IN ('acknowledged', 'touchedThrough')",
    )
    .run(seq);
}

function endOf(file: Sqlite.Database): LogEnd {
  const meta = (name: string) =>
    Number(
      (file.prepare('SELECT value FROM meta WHERE name = ?').get(name) as { value: string } | undefined)
        ?.value ?? 0,
    );
  return { seq: meta('lastSeq'), lsn: meta('lsn'), openParts: meta('openParts') };
}
