/** `skooly-backup` as it is installed: the daemon and the commands are processes, and what they say is what is measured. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { generateKey } from 'openpgp';
import { archiveCommand } from '../../packages/backup-core/src/source/wal/archive-access.ts';
import { type BackupWorld, bucket, type Contender, credential, ended, until } from './backup-world.ts';

const program = fileURLToPath(new URL('../../packages/backup-core/bin/skooly-backup.ts', import.meta.url));
const execute = promisify(execFile);

interface Told {
  msg: string;
  region?: string;
  object?: string;
  objects?: number;
  entry?: number;
  job?: string;
}

export function openOurs(world: BackupWorld): Contender {
  const folder = join(world.dir, 'ours');
  const configFile = join(folder, 'backup.json');
  const accessFile = join(folder, 'archive-access');
  const keyFile = join(folder, 'recovery.key');
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: world.caFile };
  const told: Told[] = [];
  const peaks = { backup: 0, restore: 0 };
  let daemon: ChildProcess | null = null;
  const run = (...args: string[]) =>
    execute(process.execPath, [program, ...args, '--config', configFile], { env, maxBuffer: 2 ** 24 });
  const stored = (part: string, from = 0) =>
    world.regions.every(({ name }) =>
      told
        .slice(from)
        .some(({ msg, region, object }) => msg === 'stored' && region === name && object?.includes(part)),
    );
  /** Whatever a region has is named by an entry that both regions have: from then on it can be brought back. */
  const allNamed = () => {
    const listed = told.filter(({ msg }) => msg === 'listed');
    const named = listed.reduce((sum, { objects = 0 }) => sum + objects, 0);
    const last = listed.at(-1)?.entry ?? Number.POSITIVE_INFINITY;
    const objects = new Set(told.flatMap(({ msg, object }) => (msg === 'stored' ? [object] : [])));
    const has = (name: string) =>
      told.some(({ msg, region, entry = 0 }) => msg === 'delivered' && region === name && entry >= last);
    return named >= objects.size && world.regions.every(({ name }) => has(name));
  };
  return {
    name: 'skooly-backup',
    archiveCommand: archiveCommand(accessFile),
    async prepare() {
      await configure(world, { folder, configFile, accessFile });
      daemon = spawn(process.execPath, [program, 'run', '--config', configFile], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      createInterface({ input: daemon.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        told.push(JSON.parse(line) as Told);
        peaks.backup = Math.max(peaks.backup, peakOf(daemon?.pid));
      });
      await until(() => existsSync(accessFile));
      await world.archiveWith(archiveCommand(accessFile));
      await until(() => {
        if (daemon?.exitCode != null) throw new Error('skooly-backup run ended by itself');
        return stored('base') && stored('dump') && allNamed();
      });
    },
    async base() {
      const from = told.length;
      await run('base');
      await until(() => stored('base', from) && allNamed());
    },
    async inBothRegions(segment) {
      await until(() => stored(segment) && allNamed());
    },
    async restore() {
      const to = join(folder, 'restored');
      const child = spawn(
        process.execPath,
        [
          program,
          'restore',
          '--to',
          to,
          '--latest',
          '--region',
          'paris',
          '--key',
          keyFile,
          '--json',
          '--config',
          configFile,
        ],
        { env, stdio: ['ignore', 'pipe', 'ignore'] },
      );
      let out = '';
      child.stdout.on('data', (text) => {
        out += text;
      });
      const watch = setInterval(() => {
        peaks.restore = Math.max(peaks.restore, peakOf(child.pid));
      }, 50);
      const code = await new Promise((resolve) => child.once('close', resolve));
      clearInterval(watch);
      if (code !== 0) throw new Error(`skooly-backup restore ended with ${code}`);
      const { port, pid, socketFolder } = JSON.parse(out) as {
        port: number;
        pid: number;
        socketFolder: string;
      };
      return {
        url: `postgres://postgres:${world.postgres.password}@/postgres?host=${encodeURIComponent(socketFolder)}&port=${port}`,
        stop: async () => {
          process.kill(pid, 'SIGINT');
          await until(() => !isAlive(pid));
        },
      };
    },
    peaks: () => ({ ...peaks }),
    async stop() {
      if (daemon) await ended(daemon);
    },
  };
}

interface Files {
  folder: string;
  configFile: string;
  accessFile: string;
}

async function configure(world: BackupWorld, { folder, configFile, accessFile }: Files): Promise<void> {
  mkdirSync(folder);
  world.ownedByServer(folder);
  mkdirSync(join(folder, 'state'));
  const secret = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const manifestKeyFile = join(folder, 'manifest.pem');
  await execute(process.execPath, [program, 'init', '--manifest-key', manifestKeyFile]);
  const recipients: unknown[] = [];
  for (const name of ['administrator', 'recovery']) {
    const userIDs = [{ name, email: `${name}@example.org` }];
    const { publicKey, privateKey } = await generateKey({ type: 'ecc', userIDs });
    secret(`${name}.key`, privateKey);
    const check = [program, 'keys', 'check', secret(`${name}.asc`, publicKey)];
    recipients.push(JSON.parse((await execute(process.execPath, check)).stdout));
  }
  const { uid } = statSync(world.postgres.dataDir);
  const config = {
    site: 'bench',
    stateDir: join(folder, 'state'),
    manifestKeyFile,
    databaseUrlFile: secret('database-url', world.postgres.url),
    recipients,
    archive: { accessFile, ...(uid !== process.getuid?.() && { serverUser: 'postgres' }) },
    regions: world.regions.map(({ name, port }) => ({
      name,
      endpoint: `https://127.0.0.1:${port}`,
      bucket,
      accessKeyId: credential.accessKeyId,
      secretKeyFile: secret('s3-secret', credential.secretAccessKey),
    })),
  };
  writeFileSync(configFile, JSON.stringify(config));
}

/** Of a process that is still there, mebibytes. */
function peakOf(pid: number | undefined): number {
  try {
    const [, kib = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Math.round(Number(kib) / 1024);
  } catch {
    return 0;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
