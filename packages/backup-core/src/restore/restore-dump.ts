/**
 * From a nightly dump, or the archive of ten years, to a running Postgres: a new cluster, the database, `pg_restore` fed
 * from the region and ended at its first error, then every table counted and held against what was counted in the dump's own
 * snapshot. The second line: base and WAL are faster, and bring roles and grants back, which a dump does not.
 */
import { join } from 'node:path';
import pg from 'pg';
import type { SealedObject } from '../format/object.ts';
import { dayOf, usualPolicy } from '../retention/policy.ts';
import { type Comparison, compareFigures } from './compare.ts';
import { RestoreError } from './errors.ts';
import { makeFolders } from './folder.ts';
import { type Reader, readObject } from './objects.ts';
import { serverOwner } from './postgres/owner.ts';
import { findProgramsFrom, majorOfVersion, type Programs } from './postgres/programs.ts';
import { runProgram } from './postgres/run-program.ts';
import { ask, lastWords, type Server, startServer } from './postgres/server.ts';
import { type Progress, ProgressTeller } from './progress.ts';
import { describeMoment, readTime } from './target.ts';

export interface RestoreDumpOptions {
  readonly objects: readonly SealedObject[];
  readonly reader: Reader;
  /** A day in Douala, a moment with its zone (the last dump before it), or `latest`. */
  readonly when: string;
  readonly to: string;
  readonly port?: number | undefined;
  readonly totals?: Readonly<Record<string, string>>;
  /** Settings of postgresql.conf for this run, such as fsync=off for a scratch server. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  onProgress?(progress: Progress): void;
}

export interface RestoredDump {
  readonly dump: SealedObject<'dump'>;
  readonly server: Server;
  readonly database: string;
  readonly comparison: Comparison;
  readonly tookMs: number;
}

/** Speed counts while it is filled: a crash then means to begin again, not to repair. */
const LOADING = { fsync: 'off', full_page_writes: 'off', maintenance_work_mem: '256MB', max_wal_size: '4GB' };

export async function restoreDump(options: RestoreDumpOptions): Promise<RestoredDump> {
  const begun = options.nowMs();
  const dump = chooseDump(options.objects, options.when);
  const owner = serverOwner();
  const programs = findProgramsFrom(majorOfVersion(dump.about.serverVersion));
  const folders = await makeFolders(options.to, dump.plain.bytes * 2, owner);
  const tell = new ProgressTeller(options.onProgress ?? (() => undefined), options.nowMs);
  const logFile = join(folders.work, 'postgres.log');
  const common = { programs, owner, dataDir: folders.data, logFile, port: options.port, user: 'postgres' };
  let server: Server | null = null;
  try {
    const shape = [
      '--encoding=UTF8',
      '--locale=C.UTF-8',
      '--data-checksums',
      '--no-sync',
      '--username=postgres',
    ];
    await must(programs, owner, 'initdb', [...shape, '-D', folders.data]);
    server = await start({
      ...common,
      settings: { ...options.settings, ...LOADING },
      signal: options.signal,
    });
    await fill(server, dump, programs, options, tell);
    const { database } = dump.about;
    await server.stop();
    server = null;
    await must(programs, owner, 'initdb', ['--sync-only', '-D', folders.data]);
    server = await start({ ...common, settings: options.settings ?? {}, signal: options.signal });
    tell.at('compare', 0, dump.about.tables.length, 'tables');
    const compared = { totals: options.totals ?? {}, unlogged: true };
    const comparison = await compareFigures(server.connection(database), dump.about, compared);
    if (comparison.differences.length > 0)
      throw new RestoreError(
        'RESTORE_DATA_DIFFERS',
        `${dump.name}: ${comparison.differences.slice(0, 5).join('; ')}.`,
      );
    tell.at('ready', 1, 1, 'tables');
    return { dump, server, database, comparison, tookMs: options.nowMs() - begun };
  } catch (error) {
    await server?.stop();
    await folders.discard();
    throw error;
  }
}

export function chooseDump(objects: readonly SealedObject[], when: string): SealedObject<'dump'> {
  const takenMs = ({ about }: SealedObject<'dump'>) => Date.parse(about.takenAt);
  const dumps = (objects.filter(({ kind }) => kind === 'dump') as SealedObject<'dump'>[]).sort(
    (a, b) => takenMs(a) - takenMs(b),
  );
  const fits = fitting(when);
  const dump = dumps.findLast((one) => fits(takenMs(one)));
  if (dump) return dump;
  const [first, last] = [dumps[0], dumps.at(-1)];
  const there =
    first && last
      ? `The first is of ${describeMoment(takenMs(first))}, the last of ${describeMoment(takenMs(last))}.`
      : 'There is no dump at all.';
  throw new RestoreError('RESTORE_NO_DUMP', `There is no dump for ${when}. ${there}`);
}

function fitting(when: string): (ms: number) => boolean {
  if (when === 'latest') return () => true;
  if (/^\d{4}-\d{2}-\d{2}$/.test(when)) return (ms) => dayOf(ms, usualPolicy) === when;
  const { ms: limit } = readTime(when);
  return (ms) => ms <= limit;
}

async function start(options: Parameters<typeof startServer>[0]): Promise<Server> {
  const started = await startServer(options);
  if ('server' in started) return started.server;
  throw new RestoreError('RESTORE_POSTGRES_FAILED', `Postgres did not start: ${lastWords(started.failed)}.`);
}

async function must(
  programs: Programs,
  owner: ReturnType<typeof serverOwner>,
  name: string,
  args: readonly string[],
): Promise<void> {
  const { code, words } = await runProgram(join(programs.folder, name), args, { owner });
  if (code !== 0)
    throw new RestoreError('RESTORE_POSTGRES_FAILED', `${name}: ${words.trim().split('\n').at(-1)}`);
}

/** A region whose copy fails in the middle leaves half a database, so each attempt begins with a new one. */
async function fill(
  server: Server,
  dump: SealedObject<'dump'>,
  programs: Programs,
  { reader, signal }: RestoreDumpOptions,
  tell: ProgressTeller,
): Promise<void> {
  const { database } = dump.about;
  const quoted = pg.escapeIdentifier(database);
  let sent = 0;
  const load = async (plain: NodeJS.ReadableStream) => {
    const maintenance = server.connection('template1');
    await ask(maintenance, `drop database if exists ${quoted} with (force)`);
    await ask(maintenance, `create database ${quoted} template template0`);
    const { host, port, user } = server.connection(database) as { host: string; port: number; user: string };
    const where = [`--host=${host}`, `--port=${port}`, `--username=${user}`, `--dbname=${database}`];
    const how = ['--exit-on-error', '--no-owner', '--no-privileges', '--no-password'];
    const restore = join(programs.folder, 'pg_restore');
    const { code, words } = await runProgram(restore, [...how, ...where], {
      owner: {},
      input: plain as never,
      signal,
    });
    if (code !== 0)
      throw new RestoreError('RESTORE_DUMP_FAILED', `pg_restore of ${dump.name}: ${words.trim()}`);
  };
  await readObject([dump], reader, load, (bytes) => {
    sent += bytes;
    tell.at('dump', Math.min(sent, dump.bytes), dump.bytes, 'bytes');
  });
}
