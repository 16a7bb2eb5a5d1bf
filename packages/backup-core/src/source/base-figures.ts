/**
 * The figures of a base. Once the server has written where the base ends, it waits for its WAL to be archived, and looks no more than
 * once a second whether it is: the tables are counted meanwhile. That the count is of a later moment than the end is proven by its place
 * in the WAL; where it is not, and where the server did not wait, they are counted afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientBase } from 'pg';
import { withClient } from './server.ts';
import { type Figures, tableFigures } from './table-figures.ts';
import { lsnPosition } from './wal/wal-name.ts';

const lookMs = 100;

export interface BaseFigures extends Figures {
  readonly endedAt: string;
}

export interface Counting {
  /** Of a moment after this place. Called once, when the base has ended well. */
  after(stopLsn: string): Promise<BaseFigures>;
  /** Nobody waits for figures any more. May be called at any time, and again. */
  end(): void;
}

interface CountOptions {
  readonly url: string;
  readonly totals?: Readonly<Record<string, string>>;
}

interface Counted {
  /** Everything before this place was there when it was counted. */
  readonly lsn: string;
  readonly figures: BaseFigures;
}

/** Watches the server for the end of a base that is about to begin. */
export function countingFor(options: CountOptions): Counting {
  const looking = new AbortController();
  const ended = new AbortController();
  const count = (client: ClientBase) => counted(client, options);
  const ahead = withClient(options.url, async (client) => {
    ended.signal.addEventListener('abort', () => void client.end().catch(() => undefined));
    const signal = AbortSignal.any([looking.signal, ended.signal]);
    while (!(await isWaitingForArchive(client))) await sleep(lookMs, undefined, { signal });
    return await count(client);
  }).catch(() => null);
  return {
    async after(stopLsn) {
      looking.abort();
      const early = await ahead;
      if (early && lsnPosition(early.lsn) >= lsnPosition(stopLsn)) return early.figures;
      return (await withClient(options.url, count)).figures;
    },
    end: () => ended.abort(),
  };
}

async function isWaitingForArchive(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query(
    `select exists (select from pg_stat_activity
       where wait_event = 'BackupWaitWalArchive' and application_name = current_setting('application_name')) as waits`,
  );
  return rows[0].waits;
}

async function counted(client: ClientBase, { totals }: CountOptions): Promise<Counted> {
  const { rows } = await client.query('select pg_current_wal_insert_lsn()::text as lsn');
  await client.query('begin isolation level repeatable read read only');
  const endedAt = await serverTime(client);
  const figures = await tableFigures(client, { unlogged: false, ...(totals && { totals }) });
  return { lsn: rows[0].lsn, figures: { endedAt, ...figures } };
}

export async function serverTime(client: ClientBase): Promise<string> {
  const { rows } = await client.query(
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
  );
  return rows[0].now;
}
