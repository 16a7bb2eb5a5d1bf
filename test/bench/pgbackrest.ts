/**
 * The peer of the backup benches: pgBackRest with two S3 repositories over TLS, encrypted (aes-256-cbc) and compressed (zst, level 3),
 * as fast as it goes on two cores: two processes, asynchronous archiving with a spool, a base that begins at once. One repository is
 * backed up per command, so both commands run at the same time where that is faster than one after the other; they are not
 * allowed to, since a stanza has one lock: one after the other it is.
 */
import { execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../lab/ports/free-port.ts';
import { findPostgres } from '../lab/postgres/binaries.ts';
import { serverOwner } from '../lab/postgres/owner.ts';
import { type BackupWorld, bucket, type Contender, credential, until } from './backup-world.ts';

const execute = promisify(execFile);
const stanza = 'school';

export function openPgBackRest(world: BackupWorld): Contender {
  const folder = join(world.dir, 'pgbackrest');
  const configFile = join(folder, 'pgbackrest.conf');
  const owner = serverOwner();
  const env = {
    ...process.env,
    PGHOST: world.socketFolder,
    PGUSER: 'postgres',
    PGPASSWORD: world.postgres.password,
  };
  const run = (...args: string[]) =>
    execute('pgbackrest', [`--config=${configFile}`, `--stanza=${stanza}`, ...args], {
      ...owner,
      cwd: '/',
      env,
      maxBuffer: 2 ** 24,
    });
  return {
    name: 'pgBackRest',
    archiveCommand: `PGPASSWORD= pgbackrest --config=${configFile} --stanza=${stanza} archive-push %p`,
    async prepare() {
      for (const part of ['', 'spool', 'log', 'lock', 'restored']) {
        mkdirSync(join(folder, part), { mode: 0o700 });
        world.ownedByServer(join(folder, part));
      }
      writeFileSync(configFile, configuration(world, folder), { mode: 0o600 });
      world.ownedByServer(configFile);
      await run('stanza-create');
      await world.archiveWith(this.archiveCommand);
      await run('check');
      await world.archiveWith('');
    },
    async base() {
      await world.archiveWith(this.archiveCommand);
      for (const [index] of world.regions.entries())
        await run(`--repo=${index + 1}`, '--type=full', 'backup');
      await world.archiveWith('');
    },
    // Its archive_command says yes when every repository has the segment.
    inBothRegions: (segment) => world.archived(segment),
    async restore() {
      const data = join(folder, 'restored');
      chmodSync(data, 0o700);
      await run('--repo=1', `--pg1-path=${data}`, 'restore');
      const port = await freePort();
      const server = spawn(
        findPostgres().postgres,
        ['-D', data, '-p', String(port), '-k', folder, '-c', 'archive_mode=off', '-c', 'listen_addresses='],
        { ...owner, cwd: '/', env, stdio: 'ignore' },
      );
      const url = `postgres://postgres:${world.postgres.password}@/postgres?host=${encodeURIComponent(folder)}&port=${port}`;
      await until(() => answers(url));
      return {
        url,
        stop: async () => {
          const exit = new Promise((resolve) => server.once('exit', resolve));
          server.kill('SIGINT');
          await exit;
        },
      };
    },
    peaks: () => null,
    async stop() {},
  };
}

/** It answers, and has come to the end of its WAL. */
async function answers(url: string): Promise<boolean> {
  const { default: pg } = await import('pg');
  const client = new pg.Client(url);
  try {
    await client.connect();
    const { rows } = await client.query('SELECT pg_is_in_recovery() AS recovering');
    return rows[0]?.recovering === false;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function configuration({ socketFolder, postgres, regions, caFile }: BackupWorld, folder: string): string {
  const repositories = regions.flatMap(({ port }, index) => {
    const repo = `repo${index + 1}`;
    return [
      `${repo}-type=s3`,
      `${repo}-path=/pgbackrest`,
      `${repo}-s3-bucket=${bucket}`,
      `${repo}-s3-endpoint=localhost`,
      `${repo}-storage-port=${port}`,
      `${repo}-s3-uri-style=path`,
      `${repo}-s3-region=us-east-1`,
      `${repo}-s3-key=${credential.accessKeyId}`,
      `${repo}-s3-key-secret=${credential.secretAccessKey}`,
      `${repo}-storage-ca-file=${caFile}`,
      `${repo}-cipher-type=aes-256-cbc`,
      `${repo}-cipher-pass=a-passphrase-of-some-length-${index}`,
      `${repo}-retention-full=9`,
    ];
  });
  return [
    '[global]',
    ...repositories,
    'compress-type=zst',
    'compress-level=3',
    'process-max=2',
    'archive-async=y',
    `spool-path=${join(folder, 'spool')}`,
    `lock-path=${join(folder, 'lock')}`,
    `log-path=${join(folder, 'log')}`,
    'log-level-console=warn',
    'start-fast=y',
    `[${stanza}]`,
    `pg1-path=${postgres.dataDir}`,
    `pg1-port=${postgres.port}`,
    `pg1-socket-path=${socketFolder}`,
    '',
  ].join('\n');
}
