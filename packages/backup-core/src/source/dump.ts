/**
 * A complete dump of one database: `pg_dump -Fc -Z0` of the server's own major version, and the figures of every table in
 * the very snapshot that the dump shows, counted while it runs.
 */
import type { Readable } from 'node:stream';
import type { ClientBase } from 'pg';
import { SourceError } from './errors.ts';
import { openPlain, type PlainBytes } from './plain.ts';
import { postgresProgram } from './postgres-programs.ts';
import { programAccess, serverFacts, withClient } from './server.ts';
import type { Taken } from './source.ts';
import { type Figures, tableFigures } from './table-figures.ts';

export interface DumpOptions {
  readonly url: string;
  /** Single values that a drill compares as well: name → SQL. */
  readonly totals?: Readonly<Record<string, string>>;
  readonly stallMs: number;
  readonly signal: AbortSignal;
  /** Where `<major>/bin` is; Debian's place when not given. */
  readonly programsRoot?: string;
}

interface Snapshot {
  readonly id: string;
  readonly database: string;
  readonly takenAt: string;
}

export async function takeDump(options: DumpOptions): Promise<Taken<'dump'>> {
  const opened = Promise.withResolvers<Snapshot & { version: string }>();
  const released = Promise.withResolvers<void>();
  // The snapshot lives as long as this transaction, and so must outlive the start of pg_dump: it ends with the stream.
  const counted = withClient(options.url, async (client): Promise<Figures> => {
    const { version } = await serverFacts(client);
    await client.query('begin isolation level repeatable read read only');
    const snapshot = await exportSnapshot(client);
    opened.resolve({ ...snapshot, version });
    // Figures that fail end a savepoint only, so that pg_dump keeps its snapshot and says itself what is wrong.
    await client.query('savepoint figures');
    const figures = tableFigures(client, {
      unlogged: true,
      ...(options.totals && { totals: options.totals }),
    });
    await figures.catch(() => undefined);
    await released.promise;
    return figures;
  });
  counted.catch(opened.reject);
  const snapshot = await opened.promise;
  const { plain, stream } = opening(options, snapshot, released.resolve);
  let isOver = false;
  return {
    kind: 'dump',
    stream,
    elsewhere: {
      plain,
      ended: () => {
        isOver = true;
      },
    },
    async about() {
      if (!isOver && !stream.readableEnded)
        throw new SourceError(
          'SOURCE_FAILED',
          'The dump was not read to its end, so nothing can be said of it.',
        );
      released.resolve();
      const { database, version, takenAt } = snapshot;
      return { database, serverVersion: version, takenAt, ...(await counted) };
    },
  };
}

/** The snapshot is let go when the stream is over, read or not. */
function opening(
  { url, programsRoot, stallMs, signal }: DumpOptions,
  snapshot: Snapshot & { version: string },
  release: () => void,
): { plain: PlainBytes; stream: Readable } {
  try {
    const path = postgresProgram('pg_dump', snapshot.version, programsRoot);
    const { dbname, env } = programAccess(url);
    const args = ['-Fc', '-Z0', `--snapshot=${snapshot.id}`, '--no-password', `--dbname=${dbname}`];
    const plain: PlainBytes = { from: 'program', program: { path, args, env, stallMs }, isBase: false };
    return { plain, stream: openPlain(plain, signal).stream.once('close', release) };
  } catch (error) {
    release();
    throw error;
  }
}

async function exportSnapshot(client: ClientBase): Promise<Snapshot> {
  const { rows } = await client.query(
    `select pg_export_snapshot() as id, current_database() as database,
            to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "takenAt"`,
  );
  return rows[0] as Snapshot;
}
