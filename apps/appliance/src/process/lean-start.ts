/**
 * Starts the daemon so that it stays small: with settings of V8 and of malloc that a process can only be given when it begins, and
 * with its code compiled before, so that no compiler of TypeScript stays in memory. For that the process replaces itself in place:
 * same pid, same open files. The first start after an upgrade compiles, keeps what it has compiled in the state folder, and
 * begins once more.
 *
 * It promises nothing but memory. Where a process cannot replace itself, or was given options of Node by whoever started it, it
 * goes on as it is.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { flushCompileCache, getCompileCacheDir } from 'node:module';
import { join } from 'node:path';

/**
 * Young objects get as much room as a run of the log takes while it is packed, so that few of them grow old; what is in use at most
 * doubles before V8 collects, which it lets grow fourfold where it may become larger than 2 GiB. At rest the box collects by itself
 * (`rest.ts`).
 */
const nodeOptions = ['--max-semi-space-size=16', '--max-old-space-size=2000', '--expose-gc'];

/** Buffers of batches come and go: few arenas, and what is large goes back to the system when it is freed. */
const mallocSettings = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: String(256 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(256 * 1024),
};

/** How often the process has replaced itself. */
const countName = 'SKOOLY_EDGE_STARTS';

export interface Start {
  env: Readonly<Record<string, string | undefined>>;
  /** Node's own options and the command line, as the process was started. */
  execArgv: readonly string[];
  argv: readonly string[];
}

/** How a process that was just started is to begin anew; null when it stays as it is. */
export function leanCommand({ env, execArgv, argv }: Start) {
  if (execArgv.length > 0 || typeof process.execve !== 'function') return null;
  return again({ env, argv, execArgv: nodeOptions }, 1);
}

/**
 * @param load Loads all code of the daemon.
 * @returns when the process is what it is to be; where it begins anew, it does not return.
 */
export async function startLean(start: Start, load: () => Promise<unknown>): Promise<void> {
  const count = Number(start.env[countName] ?? 0);
  const command = count === 0 ? leanCommand(start) : null;
  if (command) process.execve?.(command.file, command.args, command.env);
  const folder = getCompileCacheDir();
  if (count !== 1 || !folder) return;
  const startedAt = Date.now() - process.uptime() * 1_000;
  await load();
  flushCompileCache();
  const written = readdirSync(folder).some((name) => statSync(join(folder, name)).mtimeMs >= startedAt);
  if (!written) return;
  const next = again(start, 2);
  process.execve?.(next.file, next.args, next.env);
}

function again({ env, execArgv, argv }: Start, count: number) {
  const [file = process.execPath, ...rest] = argv;
  const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const { EDGE_STATE_DIR: stateDir } = env;
  const cache = stateDir && existsSync(stateDir) ? { NODE_COMPILE_CACHE: join(stateDir, 'compiled') } : {};
  return {
    file,
    args: [file, ...execArgv, ...rest],
    env: { ...mallocSettings, ...cache, ...Object.fromEntries(given), [countName]: String(count) },
  };
}
