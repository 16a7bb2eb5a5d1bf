import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from '../errors.ts';
import type { PostgresBinaries } from './binaries.ts';
import { giveTo, type Owner } from './owner.ts';
import { type Settings, settingsFile } from './settings.ts';

const SETTINGS_NAME = 'skooly-edge.conf';

/** The password kept by an earlier start. */
export function readPassword(stateDir: string): string {
  return readFileSync(join(stateDir, 'password'), 'utf8').trim();
}

/** The superuser's password: the given one, else the kept one, else a new random one kept for the next start. */
export function superuserPassword(stateDir: string, given?: string): string {
  const file = join(stateDir, 'password');
  if (given === undefined && existsSync(file)) return readPassword(stateDir);
  const password = given ?? randomBytes(18).toString('base64url');
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return password;
}

/**
 * Makes the cluster when the folder has none. It is made beside its place and renamed into it, so that an interrupted
 * start leaves no half-made cluster.
 */
export function makeCluster(binaries: PostgresBinaries, data: string, password: string, owner: Owner): void {
  if (existsSync(join(data, 'PG_VERSION'))) {
    refuseOtherMajor(binaries, data);
    return;
  }
  const making = `${data}.new`;
  const passwordFile = `${making}.password`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true, mode: 0o700 });
  giveTo(making, owner);
  try {
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    giveTo(passwordFile, owner);
    initdb(binaries, making, passwordFile, owner);
    const main = join(making, 'postgresql.conf');
    writeFileSync(main, `${readFileSync(main, 'utf8')}\ninclude_if_exists = '${SETTINGS_NAME}'\n`);
    renameSync(making, data);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(making, { recursive: true, force: true });
  }
}

export function writeSettings(data: string, port: number, settings: Settings, owner: Owner): void {
  const file = join(data, SETTINGS_NAME);
  writeFileSync(file, settingsFile(port, settings), { mode: 0o600 });
  giveTo(file, owner);
}

function initdb(binaries: PostgresBinaries, folder: string, passwordFile: string, owner: Owner): void {
  const options = [
    '--encoding=UTF8',
    '--locale=C.UTF-8',
    '--data-checksums',
    '--auth=scram-sha-256',
    '--no-sync',
  ];
  const names = ['--username=postgres', `--pwfile=${passwordFile}`, '-D', folder];
  const done = spawnSync(binaries.initdb, [...options, ...names], {
    ...owner,
    cwd: '/',
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  if (done.status === 0) return;
  if (/No space left on device/.test(done.stderr)) {
    throw new LabError(
      'DISK_FULL',
      `There is no room to make a database in ${folder}.`,
      'Free some disk space.',
    );
  }
  const reason =
    done.stderr.split('\n').findLast((line) => /error|fatal/i.test(line)) ??
    done.error?.message ??
    'no reason given';
  throw new LabError(
    'POSTGRES_START_FAILED',
    `initdb could not make a database in ${folder}: ${reason.trim()}`,
    'Put right what it names, then start again.',
  );
}

function refuseOtherMajor(binaries: PostgresBinaries, data: string): void {
  const major = Number(readFileSync(join(data, 'PG_VERSION'), 'utf8').trim());
  if (major === binaries.major) return;
  throw new LabError(
    'POSTGRES_START_FAILED',
    `The database files in ${data} were made by PostgreSQL ${major}, this machine runs ${binaries.major}.`,
    `Install PostgreSQL ${major}, or start afresh in another folder.`,
  );
}
