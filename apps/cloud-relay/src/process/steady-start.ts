/**
 * Starts the relay so that neither a thousand campuses that come back at once nor a backlog of millions take much more memory than a
 * little work does. V8 can only be told so when a process begins, so the process replaces itself in place: same pid, same open
 * files. Where it cannot, or was given options of Node by whoever started it, it goes on as it is.
 */

/**
 * Left alone, V8 lets young objects take up to 200 MiB, and the rest grow to four times what is in use before it collects; to
 * twice, where the whole may not become larger than 2 GiB.
 */
const nodeOptions = ['--max-semi-space-size=16', '--max-old-space-size=2000'];

export interface Start {
  env: Readonly<Record<string, string | undefined>>;
  /** Node's own options and the command line, as the process was started. */
  execArgv: readonly string[];
  argv: readonly string[];
}

/** How a process that was just started is to begin anew; null when it stays as it is. */
export function steadyCommand({ env, execArgv, argv }: Start) {
  const [file, ...rest] = argv;
  if (file === undefined || execArgv.length > 0) return null;
  const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { file, args: [file, ...nodeOptions, ...rest], env: Object.fromEntries(given) };
}

/** @returns when the process is what it is to be; where it begins anew, it does not return. */
export function startSteady(start: Start): void {
  const command = steadyCommand(start);
  if (command) process.execve?.(command.file, command.args, command.env);
}
