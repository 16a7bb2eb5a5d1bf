/**
 * The pool and the transaction. The pool outlives a restart of Postgres: a connection that died is thrown away and the
 * next request opens another. A transaction that crossed another one (deadlock, serialization) is run again; one
 * whose connection was dead before it began is begun once more on a fresh connection. Anything later is answered
 * as DATABASE_AWAY: every write may be sent again, so nobody has to know whether the commit arrived.
 */
import pg from 'pg';
import { refusalOf } from './refusals.ts';

export type Queryable = Pick<pg.ClientBase, 'query'>;

export interface Database extends Queryable {
  /** Runs `work` in one transaction. `work` may be run again from its start, so it has no effects but queries. */
  transaction<T>(work: (client: Queryable) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const connectTimeoutMs = 3_000;
const queryTimeoutMs = 15_000;
const poolSize = 16;
const crossedAttempts = 4;

/** Dates stay text (a JavaScript date would move them across time zones); bigint counts are small here. */
const typeParsers: Record<number, (value: string) => unknown> = {
  [pg.types.builtins.DATE]: (value) => value,
  [pg.types.builtins.INT8]: Number,
  [pg.types.builtins.NUMERIC]: Number,
};

export function openDatabase(url: string, onLost: (error: Error) => void): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    statement_timeout: queryTimeoutMs,
    keepAlive: true,
    application_name: 'skooly',
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        typeParsers[oid] ?? pg.types.getTypeParser(oid, format as 'text'),
    } as pg.CustomTypesConfig,
  });
  pool.on('error', onLost);
  return {
    query: pool.query.bind(pool) as Queryable['query'],
    transaction: (work) => transaction(pool, onLost, work),
    close: () => pool.end(),
  };
}

async function transaction<T>(
  pool: pg.Pool,
  onLost: (error: Error) => void,
  work: (client: Queryable) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const client = await begin(pool, onLost);
    let broken: Error | undefined;
    try {
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch((lost: Error) => {
        broken = lost;
      });
      if (refusalOf(error)?.code === 'TRY_AGAIN' && attempt < crossedAttempts) continue;
      throw error;
    } finally {
      client.removeListener('error', onLost);
      client.release(broken);
    }
  }
}

async function begin(pool: pg.Pool, onLost: (error: Error) => void): Promise<pg.PoolClient> {
  for (let attempt = 1; ; attempt += 1) {
    const client = await pool.connect();
    client.on('error', onLost);
    try {
      await client.query('begin');
      return client;
    } catch (error) {
      client.removeListener('error', onLost);
      client.release(error as Error);
      if (attempt === 2) throw error;
    }
  }
}
