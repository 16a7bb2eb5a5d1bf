/**
 * A base backup of the whole cluster: `pg_basebackup` as one tar stream without WAL, whose files are hashed while they pass
 * and held against Postgres's own manifest (SHA-256) at the end: a stream whose files differ fails, so it is never sealed.
 *
 * The server answers only once the WAL that makes the backup consistent is archived, so the archive must be taking segments.
 * The figures are counted right after it ended, in a snapshot of their own (base-figures.ts): they agree with a restore to `endedAt`
 * when nobody wrote in that instant.
 */
import { Readable } from 'node:stream';
import type { ClientBase } from 'pg';
import { type BaseRange, checkBase } from './backup-manifest.ts';
import { countingFor, serverTime } from './base-figures.ts';
import { SourceError } from './errors.ts';
import { openPlain, type PassedBase, type PlainBytes } from './plain.ts';
import { postgresProgram } from './postgres-programs.ts';
import { programAccess, type ServerFacts, serverFacts, withClient } from './server.ts';
import type { Taken } from './source.ts';

export interface BaseBackupOptions {
  /** A superuser or a member of pg_read_all_data with REPLICATION. */
  readonly url: string;
  readonly totals?: Readonly<Record<string, string>>;
  readonly stallMs: number;
  readonly signal: AbortSignal;
  readonly programsRoot?: string;
}

interface Before extends ServerFacts {
  readonly startedAt: string;
}

export async function takeBaseBackup(options: BaseBackupOptions): Promise<Taken<'base'>> {
  const before = await withClient(options.url, askBefore);
  const path = postgresProgram('pg_basebackup', before.version, options.programsRoot);
  const { dbname, env } = programAccess(options.url);
  const shape = ['-D', '-', '-Ft', '-X', 'none', '--manifest-checksums=SHA256', '--checkpoint=fast'];
  const args = [...shape, '--label=skooly-backup', '--no-password', `--dbname=${dbname}`];
  const { stallMs, signal } = options;
  const plain: PlainBytes = { from: 'program', program: { path, args, env, stallMs }, isBase: true };
  const opened = openPlain(plain, signal);
  let range: BaseRange | null = null;
  const ended = (passed: PassedBase | null) => {
    if (passed) range = checkBase(Buffer.from(passed.manifest), passed.files);
  };
  async function* checked(): AsyncGenerator<Buffer> {
    yield* opened.stream as AsyncIterable<Buffer>;
    ended(opened.passed());
  }
  const stream = Readable.from(checked(), { objectMode: false, highWaterMark: 256 * 1024 });
  const counting = countingFor(options);
  stream.once('close', () => counting.end());
  return {
    kind: 'base',
    stream,
    elsewhere: { plain, ended },
    async about() {
      if (range === null) throw new SourceError('SOURCE_FAILED', 'The base backup was not read to its end.');
      const { systemIdentifier, version: serverVersion, startedAt } = before;
      const figures = await counting.after(range.stopLsn);
      return { systemIdentifier, serverVersion, startedAt, ...range, ...figures };
    },
  };
}

async function askBefore(client: ClientBase): Promise<Before> {
  const { rows } = await client.query(
    "select spcname from pg_tablespace where spcname not in ('pg_default', 'pg_global')",
  );
  if (rows.length > 0)
    throw new SourceError('SOURCE_TABLESPACES', `The cluster has the tablespace ${rows[0].spcname}.`);
  return { ...(await serverFacts(client)), startedAt: await serverTime(client) };
}
