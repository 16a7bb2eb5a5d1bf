/**
 * Starts the program so that it stays small, whatever the size of the database, and quickly: with settings of V8 and of malloc that a
 * process can only be given when it begins, and with its code as an earlier start compiled it. For that the process replaces itself in
 * place: same pid, same open files. The daemon does so once more after an upgrade, when it has compiled its code and kept it, so that no
 * compiler of TypeScript stays in either of its threads. Where it cannot, or was given options of Node by whoever started it, it goes on as it is.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { flushCompileCache, getCompileCacheDir } from 'node:module';
import { join } from 'node:path';
import { DEFAULT_CONFIG } from './config/default-config.ts';

/** Of a stream little is young: room for more of it is only held. What is young and large is collected by itself (seal/free.ts). */
const nodeOptions = ['--max-semi-space-size=4', '--expose-gc'];

/** Buffers of a stream come and go, and keep their pages; few arenas, and what is larger goes back to the system when it is freed. */
const mallocSettings = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: String(256 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(256 * 1024),
};

/** Set where the process has begun anew for its compiled code. */
const compiledName = 'SKOOLY_BACKUP_COMPILED';

export interface Start {
  env: Readonly<Record<string, string | undefined>>;
  /** Node's own options and the command line, as the process was started. */
  execArgv: readonly string[];
  argv: readonly string[];
}

/** How a process that was just started is to begin anew; null when it stays as it is. */
export function leanCommand({ env, execArgv, argv }: Start) {
  const [file, ...rest] = argv;
  if (file === undefined || execArgv.length > 0) return null;
  const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    file,
    args: [file, ...nodeOptions, ...rest],
    env: { ...mallocSettings, ...compileCache(rest), ...Object.fromEntries(given) },
  };
}

/** In the state folder of the configuration: what lies there is run, so only where nobody else may write. */
function compileCache(args: readonly string[]): Record<string, string> {
  const at = args.indexOf('--config');
  try {
    const file = at < 0 ? DEFAULT_CONFIG : (args[at + 1] ?? '');
    const { stateDir } = JSON.parse(readFileSync(file, 'utf8')) as { stateDir?: unknown };
    if (typeof stateDir !== 'string' || !isOurs(stateDir)) return {};
    return { NODE_COMPILE_CACHE: join(stateDir, 'compiled') };
  } catch {
    // What is wrong with the configuration is told where it is read.
    return {};
  }
}

function isOurs(folder: string): boolean {
  const { uid, mode } = statSync(folder);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

export function startLean(start: Start): void {
  const command = leanCommand(start);
  if (command) process.execve?.(command.file, command.args, command.env);
}

/**
 * @param loadRest Loads what the daemon's other thread runs.
 * @returns when there is nothing to begin anew for; where there is, it does not return.
 */
export async function beginAgainCompiled(start: Start, loadRest: () => Promise<unknown>): Promise<void> {
  const folder = getCompileCacheDir();
  if (!folder || !isDaemon(start)) return;
  const startedAtMs = Date.now() - process.uptime() * 1_000;
  await loadRest();
  flushCompileCache();
  const command = compiledCommand(start, folder, startedAtMs);
  if (command) process.execve?.(command.file, command.args, command.env);
}

/** How the daemon is to begin with what this start has compiled; null when it has compiled nothing, or has begun anew already. */
export function compiledCommand(start: Start, folder: string, startedAtMs: number) {
  const { env, argv, execArgv } = start;
  const wasWritten = (name: string) => statSync(join(folder, name)).mtimeMs >= startedAtMs;
  if (!isDaemon(start) || env[compiledName] || !readdirSync(folder).some(wasWritten)) return null;
  const [file = process.execPath, ...rest] = argv;
  const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    file,
    args: [file, ...execArgv, ...rest],
    env: { ...Object.fromEntries(given), [compiledName]: '1' },
  };
}

function isDaemon({ argv }: Start): boolean {
  return argv[2] === 'run';
}
