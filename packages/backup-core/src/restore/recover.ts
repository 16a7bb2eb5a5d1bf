/**
 * Starts the server on the unpacked base, lets it replay to the target and promote itself, and proves that it got there.
 *
 * A server that is told a target which no record lies behind ends with "recovery ended before configured recovery target was
 * reached": on a quiet day no commit follows the moment. The plan has proven that its WAL covers the target, so the server
 * is then started once more without one, and replays to the end of what the plan serves: the same state.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lsnToNumber } from '../retention/lsn.ts';
import { RestoreError } from './errors.ts';
import type { RestorePlan } from './plan.ts';
import { giveTo } from './postgres/owner.ts';
import { ask, lastWords, type Server, type ServerOptions, startServer } from './postgres/server.ts';

export interface Reached {
  /** `before commit of transaction 741, time …`, or `end of the WAL of the plan`. */
  readonly stop: string;
  readonly lsn: string;
  /** Of the last transaction that was replayed; null: none was. */
  readonly lastCommitAt: string | null;
  readonly timeline: number;
}

export interface RecoverOptions extends Omit<ServerOptions, 'settings'> {
  readonly plan: RestorePlan;
  readonly restoreCommand: string;
  readonly settings: Readonly<Record<string, string>>;
}

export interface Recovered {
  readonly server: Server;
  readonly reached: Reached;
}

export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { plan, dataDir, owner } = options;
  await giveTo(await signalFile(dataDir), owner);
  await standInConfiguration(options);
  const common = {
    ...options.settings,
    restore_command: options.restoreCommand,
    recovery_target_timeline: String(plan.timeline),
    recovery_target_action: 'promote',
  };
  let started = await startServer({ ...options, settings: { ...common, ...targetSettings(plan) } });
  if (
    'failed' in started &&
    /recovery ended before configured recovery target was reached/.test(started.failed)
  )
    started = await startServer({ ...options, settings: { ...common, ...targetSettings(null) } });
  if ('failed' in started) {
    const message = `Postgres did not come up: ${lastWords(started.failed)}. Its log is ${options.logFile}.`;
    throw new RestoreError('RESTORE_POSTGRES_FAILED', message);
  }
  try {
    return { server: started.server, reached: await proveReached(started.server, plan) };
  } catch (error) {
    await started.server.stop();
    throw error;
  }
}

async function signalFile(dataDir: string): Promise<string> {
  const file = join(dataDir, 'recovery.signal');
  await writeFile(file, '', { mode: 0o600 });
  return file;
}

/** Debian keeps the configuration outside of the data, so a base does not have it: what recovery insists on is in the control file. */
async function standInConfiguration({ dataDir, owner }: RecoverOptions): Promise<void> {
  for (const name of ['postgresql.conf', 'pg_ident.conf']) {
    const file = join(dataDir, name);
    const text = '# The backup had no such file: the server it is of kept it elsewhere.\n';
    const made = await writeFile(file, text, { flag: 'wx', mode: 0o600 }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        return false;
      },
    );
    if (made) await giveTo(file, owner);
  }
}

const TARGETS = ['', '_name', '_xid', '_time', '_lsn'].map((suffix) => `recovery_target${suffix}`);

/** A target that the restored configuration still has is emptied; ours comes last, since Postgres counts those set before. */
function targetSettings(plan: RestorePlan | null): Record<string, string> {
  const settings: Record<string, string> = { recovery_target_inclusive: 'on' };
  const target = plan?.target;
  const [own, value] =
    target?.kind === 'time'
      ? ['recovery_target_time', target.text]
      : target?.kind === 'lsn'
        ? ['recovery_target_lsn', target.lsn]
        : [null, ''];
  for (const name of TARGETS) if (name !== own) settings[name] = '';
  if (own !== null) settings[own] = value;
  return settings;
}

interface Position {
  recovering: boolean;
  lsn: string | null;
  at: string | null;
  early: boolean | null;
  timeline: number;
}

async function proveReached(server: Server, plan: RestorePlan): Promise<Reached> {
  const { target } = plan;
  const moment = target.kind === 'time' ? target.text : 'infinity';
  const [position] = await ask<Position>(
    server.connection('postgres'),
    `select pg_is_in_recovery() as recovering, pg_last_wal_replay_lsn()::text as lsn,
       to_char(pg_last_xact_replay_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
       pg_last_xact_replay_timestamp() <= $1::timestamptz as early,
       ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int as timeline`,
    [moment],
  );
  const log = await readFile(server.logFile, 'utf8');
  const said = /recovery stopping (.+)$/m.exec(log)?.[1];
  const missed = (why: string) =>
    new RestoreError('RESTORE_TARGET_MISSED', `The server is up, but ${why}. Its log is ${server.logFile}.`);
  if (!position || position.recovering || position.lsn === null)
    throw missed('it did not recover from the archive');
  if (position.early === false)
    throw missed(`it replayed a commit of ${position.at}, after the moment asked for`);
  const at = lsnToNumber(position.lsn);
  if (said === undefined && at <= lsnToNumber(plan.reach.startLsn))
    throw missed(`it ended at ${position.lsn}, before the WAL of the plan did (${plan.reach.lsn})`);
  if (said !== undefined && target.kind === 'lsn' && at < lsnToNumber(target.lsn))
    throw missed(`it ended at ${position.lsn}, before ${target.lsn}`);
  if (said !== undefined && target.kind === 'latest')
    throw missed(`it stopped ${said}, though no target was set`);
  const stop = said ?? 'at the end of the WAL of the plan';
  return { stop, lsn: position.lsn, lastCommitAt: position.at, timeline: position.timeline };
}
