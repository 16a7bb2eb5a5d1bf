/** One campus of the simulated world. */
import type { Change } from '@skooly-edge/sync-protocol';
import Sqlite from 'better-sqlite3';
import { migrate } from '../../apps/appliance/src/sync-log/log-schema.ts';
import type { Database } from './database/database.ts';
import type { History } from './history.ts';
import type { Box } from './sites/box.ts';
import type { Line } from './world/network.ts';

export interface Campus {
  name: string;
  database: Database;
  history: History;
  box: Box;
  line: Line;
}

export function newLogFile(): Sqlite.Database {
  const file = new Sqlite(':memory:');
  file.pragma('journal_mode = OFF');
  migrate(file);
  return file;
}

/** What the log holds, parts put together, each under its last seq. */
export function wholeTransactions({ log }: Box): { seq: number; changes: Change[] }[] {
  const whole: { seq: number; changes: Change[] }[] = [];
  let open: Change[] = [];
  for (const { seq, changes, more } of log.transactionsAfter(0)) {
    open.push(...changes);
    if (more) continue;
    whole.push({ seq, changes: open });
    open = [];
  }
  return whole;
}
