/**
 * A real S3 server: Ceph's radosgw over one monitor and one OSD that keeps everything in memory. No manager, no authentication
 * within the cluster, loopback only. Ready in about two seconds, some 120 MB.
 *
 * The three processes end when this one does, also when it is killed: a guard waits for the end of its input.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../lab/ports/free-port.ts';
import { cephConfig } from './radosgw-config.ts';

const run = promisify(execFile);

const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'monmaptool', 'radosgw-admin', 'ceph'];
const READY_MS = 90_000;
const COMMAND_MS = 60_000;

export interface Radosgw extends AsyncDisposable {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of all three processes together. */
  residentBytes(): number;
  close(): Promise<void>;
}

/** Null when it can be started here, else why not. */
export function radosgwMissing(): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin'];
  const missing = PROGRAMS.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  if (missing.length === 0) return null;
  return `${missing.join(', ')} not installed: apt-get install radosgw ceph-mon ceph-osd`;
}

export async function startRadosgw(): Promise<Radosgw> {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-radosgw-'));
  const ports = { mon: await freePort(), gateway: await freePort() };
  const fsid = randomUUID();
  const config = join(dir, 'ceph.conf');
  for (const name of ['mon', 'osd', 'rgw']) mkdirSync(join(dir, name));
  writeFileSync(config, cephConfig({ dir, fsid, ...ports }));
  const children: ChildProcess[] = [];
  const guard = startGuard(dir);
  const daemon = (program: string, ...args: string[]) => {
    const out = openSync(join(dir, `${program}.out`), 'a');
    const child = spawn(program, ['-c', config, ...args, '-f'], {
      stdio: ['ignore', out, out],
      detached: true,
    });
    child.on('error', () => undefined);
    child.unref();
    guard.stdin.write(`${child.pid}\n`);
    children.push(child);
  };
  const command = (program: string, ...args: string[]) =>
    run(program, ['-c', config, ...args], { timeout: COMMAND_MS, killSignal: 'SIGKILL' });
  const close = async () => {
    guard.stdin.end();
    await new Promise((ended) => guard.once('exit', ended));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const map = join(dir, 'monmap');
    const address = `[v2:127.0.0.1:${ports.mon}]`;
    const makeMap = ['--create', '--fsid', fsid, '--addv', 'a', address, '--enable-all-features', map];
    await run('monmaptool', makeMap);
    await command('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map);
    daemon('ceph-mon', '-i', 'a');
    const osd = randomUUID();
    await command('ceph', 'osd', 'new', osd);
    await command('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd);
    daemon('ceph-osd', '-i', '0');
    await until(async () => (await command('ceph', 'osd', 'stat')).stdout.includes('1 up'), children);
    daemon('radosgw', '-n', 'client.rgw');
    const endpoint = `http://127.0.0.1:${ports.gateway}`;
    await until(async () => (await fetch(endpoint)).ok, children);
    const user = {
      accessKeyId: 'RADOSGWTESTKEY',
      secretAccessKey: `secret-of-${randomBytes(9).toString('hex')}`,
    };
    const keys = ['--access-key', user.accessKeyId, '--secret-key', user.secretAccessKey];
    await command('radosgw-admin', 'user', 'create', '--uid', 'test', '--display-name', 'test', ...keys);
    const residentBytes = () => children.reduce((all, { pid }) => all + residentOf(pid), 0);
    return { endpoint, ...user, residentBytes, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    const said = ['ceph-mon', 'ceph-osd', 'radosgw'].map((name) => lastWords(join(dir, `${name}.out`)));
    await close();
    throw new Error(`radosgw did not start: ${said.filter(Boolean).join(' | ')}`, { cause: error });
  }
}

/** Reads pids, and when its input ends kills them and removes the folder: they hold nothing worth keeping. */
const GUARD =
  'while read -r pid; do pids="$pids $pid"; done; kill -9 $pids 2>/dev/null; sleep 0.2; rm -rf "$0"';

function startGuard(dir: string) {
  const guard = spawn('/bin/sh', ['-c', GUARD, dir], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  guard.unref();
  return guard;
}

async function until(isSo: () => Promise<boolean>, children: readonly ChildProcess[]): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    if (await isSo().catch(() => false)) return;
    const ended = children.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    if (ended !== undefined) throw new Error(`${ended.spawnfile} ended with code ${ended.exitCode}`);
    if (performance.now() > deadline) throw new Error(`no answer within ${READY_MS / 1000} s`);
    await sleep(100);
  }
}

function residentOf(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

function lastWords(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8').trim().slice(-500) : '';
}
