/**
 * Backups of the lab's cloud, and its restore to an earlier point, as the disaster plan of a hosted Postgres would do it.
 *
 * `backUp` has the server keep its WAL from then on, and takes a base backup. `restore` stops the server, puts the base backup in
 * its place, replays the WAL up to the target and promotes: the database goes on on another timeline, without its replication
 * slots. Relay and Skooly are left alone; they lose their connections and have to find their way.
 *
 * WAL beyond `KEPT_WAL` is thrown away by the server, and a restore that needs it fails.
 */
import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { LabError } from '../errors.ts';
import { findPostgres } from '../postgres/binaries.ts';
import { dataFolder, giveTo, type Owner, serverOwner } from '../postgres/owner.ts';
import { cloudAdminUrl } from '../world/cloud.ts';
import { libpqEnv, withClient } from '../world/database.ts';
import type { World } from '../world/world.ts';

const KEPT_WAL = '4GB';
const run = promisify(execFile);

export interface Backup {
  /** Folder of the base backup; it may be restored more than once. */
  readonly dir: string;
}

/** Up to which moment the WAL is replayed. */
export type RestoreTarget = { readonly lsn: string } | { readonly time: Date };

/** What restores need of the lab: the cloud's server stopped and started. */
export interface CloudServer {
  stop(): Promise<void>;
  start(): Promise<void>;
}

export class LabCloud {
  readonly #world: World;
  readonly #server: CloudServer;
  #backups = 0;

  constructor(world: World, server: CloudServer) {
    this.#world = world;
    this.#server = server;
  }

  /** The present moment, as a target for a later restore. */
  async now(): Promise<{ readonly lsn: string }> {
    const { rows } = await withClient(cloudAdminUrl(this.#world), (client) =>
      client.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn'),
    );
    return { lsn: rows[0]?.lsn ?? '0/0' };
  }

  /** The lab's server may be in use. */
  async backUp(): Promise<Backup> {
    const url = cloudAdminUrl(this.#world, 'postgres');
    await withClient(url, async (client) => {
      await client.query(`alter system set wal_keep_size = '${KEPT_WAL}'`);
      await client.query('select pg_reload_conf()');
    });
    const { data, owner } = this.#place();
    this.#backups += 1;
    const dir = `${data}.backup-${this.#backups}`;
    ownFolder(dir, owner);
    await command(pgBasebackup(), ['-D', dir, '-X', 'stream', '-c', 'fast', '--no-sync'], {
      ...owner,
      env: { ...process.env, ...libpqEnv(url) },
    });
    return { dir };
  }

  /**
   * Without a target the cloud is as it was when the backup was finished. What it committed since then is gone, and so are its
   * slots. Resolves when the server takes writes again.
   */
  async restore({ dir }: Backup, target?: RestoreTarget): Promise<void> {
    const { data, owner } = this.#place();
    const kept = join(dirname(data), 'kept-wal');
    await this.#server.stop();
    ownFolder(kept, owner);
    await command('cp', ['-a', `${join(data, 'pg_wal')}/.`, kept], {});
    rmSync(`${data}.before`, { recursive: true, force: true });
    renameSync(data, `${data}.before`);
    await command('cp', ['-a', dir, data], {});
    appendFileSync(join(data, 'postgresql.auto.conf'), recoverySettings(kept, target));
    writeFileSync(join(data, 'recovery.signal'), '', { mode: 0o600 });
    giveTo(join(data, 'recovery.signal'), owner);
    await this.#server.start();
    rmSync(`${data}.before`, { recursive: true, force: true });
  }

  #place(): { data: string; owner: Owner } {
    const owner = serverOwner();
    return { data: dataFolder(this.#world.layout.cloudPostgres, owner).path, owner };
  }
}

function recoverySettings(kept: string, target: RestoreTarget | undefined): string {
  const until =
    target === undefined
      ? ['recovery_target', 'immediate']
      : 'lsn' in target
        ? ['recovery_target_lsn', target.lsn]
        : ['recovery_target_time', target.time.toISOString()];
  const settings = [
    ['restore_command', `cp "${kept}/%f" "%p"`],
    ['recovery_target', ''],
    ['recovery_target_lsn', ''],
    ['recovery_target_time', ''],
    until,
    ['recovery_target_action', 'promote'],
  ];
  return settings.map(([name, value]) => `${name} = '${value}'\n`).join('');
}

function ownFolder(path: string, owner: Owner): void {
  if (existsSync(path)) return;
  mkdirSync(path, { mode: 0o700 });
  giveTo(path, owner);
}

function pgBasebackup(): string {
  return join(dirname(findPostgres().postgres), 'pg_basebackup');
}

async function command(file: string, args: readonly string[], options: object): Promise<void> {
  await run(file, args, { cwd: '/', ...options }).catch((cause) => {
    const reason = String(cause.stderr ?? cause.message).trim();
    throw new LabError('STEP_FAILED', `${file} failed: ${reason}`, 'See what it says.', { cause });
  });
}
