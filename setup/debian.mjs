import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runQuietly } from './run-quietly.mjs';
import { SetupError } from './say.mjs';

const OLDEST_POSTGRES = 15;
const POSTGRES_ROOT = '/usr/lib/postgresql';
const CHROMIUM_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/**
 * What tests need beside Postgres and a browser, program and package: a wrong clock, a real S3 server, the stock tools with
 * which backups are opened without us, and the program that ours is measured against.
 */
const TOOLS_OF_TESTS = [
  ['faketime', 'faketime'],
  ['radosgw', 'radosgw'],
  ['ceph-mon', 'ceph-mon'],
  ['ceph-osd', 'ceph-osd'],
  ['gpg', 'gnupg'],
  ['zstd', 'zstd'],
  ['jq', 'jq'],
  ['openssl', 'openssl'],
  ['pgbackrest', 'pgbackrest'],
];
/** Another apt, such as the nightly upgrades, may hold the lock for a while. */
const APT_LOCK_WAIT_S = 300;

/** One need for all missing packages, so that apt runs once. Refuses at once when nobody here may install them. */
export function debianNeeds(forTests) {
  const names = [];
  if (!hasPostgres()) names.push('postgresql');
  if (forTests && !CHROMIUM_NAMES.some(onPath)) names.push('chromium');
  for (const [program, name] of TOOLS_OF_TESTS) if (forTests && !onPath(program)) names.push(name);
  if (names.length === 0) return [];
  const rights = requireRights(names);
  return [
    {
      what: `Debian ${names.length === 1 ? 'package' : 'packages'} ${listed(names)}`,
      how: 'apt-get install',
      install: (root) => installPackages(root, names, rights),
    },
  ];
}

function requireRights(names) {
  const lacks = `This machine lacks ${listed(names)}`;
  if (!onPath('apt-get'))
    throw new SetupError(`${lacks}, and has no apt-get: install it in its own way, then try again.`);
  const rights = administratorRights();
  if (rights !== null) return rights;
  const command = `apt-get update && apt-get install -y --no-install-recommends ${names.join(' ')}`;
  throw new SetupError(
    `${lacks}, and only an administrator may install it: run  sudo sh -c '${command}'  and try again.`,
  );
}

function installPackages(root, names, rights) {
  const apt = [
    ...rights,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    '-o',
    `DPkg::Lock::Timeout=${APT_LOCK_WAIT_S}`,
  ];
  const [program, ...args] = apt;
  runQuietly(root, program, [...args, 'update']);
  runQuietly(root, program, [...args, 'install', '-y', '--no-install-recommends', ...names]);
  if (!hasPostgres()) {
    throw new SetupError(
      `This system's postgresql is older than ${OLDEST_POSTGRES}: install PostgreSQL ${OLDEST_POSTGRES} or later (https://apt.postgresql.org), then try again.`,
    );
  }
}

function listed(names) {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** What to put before a command to run it as root; null when this user may not. */
function administratorRights() {
  if (process.getuid() === 0) return [];
  const sudo = onPath('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0;
  return sudo ? ['sudo', '-n'] : null;
}

function hasPostgres() {
  const debian = existsSync(POSTGRES_ROOT) ? readdirSync(POSTGRES_ROOT) : [];
  if (debian.some((major) => Number(major) >= OLDEST_POSTGRES && isServer(join(POSTGRES_ROOT, major, 'bin'))))
    return true;
  return [pgConfigFolder(), ...pathFolders()].some(
    (folder) => isServer(folder) && majorOf(folder) >= OLDEST_POSTGRES,
  );
}

function isServer(folder) {
  return folder !== '' && existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb'));
}

function majorOf(folder) {
  return Number(/ (\d+)/.exec(output(join(folder, 'postgres'), ['--version']))?.[1] ?? 0);
}

function pgConfigFolder() {
  return output('pg_config', ['--bindir']).trim();
}

function output(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}

function onPath(name) {
  return pathFolders().some((folder) => existsSync(join(folder, name)));
}

/** Also where Debian keeps administrators' programs, which a plain user's PATH leaves out. */
function pathFolders() {
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
}
