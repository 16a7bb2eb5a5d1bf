/** The program as a process: its signals, its streams, and how it ends. */
import pino from 'pino';
import { openRegion } from '../region/s3-region.ts';
import { buildCli } from './cli.ts';
import { exitCodeOf, explain, isUsage } from './exit-codes.ts';
import { quietPipe } from './quiet-pipe.ts';
import { systemTerminal } from './terminal.ts';

export async function main(): Promise<void> {
  quietPipe(process.stdout, process.stderr);
  const ended = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => ended.abort());
  const terminal = systemTerminal(process.env);
  const setExitCode = (code: number) => {
    process.exitCode = code;
  };
  try {
    await buildCli({
      openRegion,
      terminal,
      signal: ended.signal,
      now: () => new Date(),
      log: pino({ name: 'backup' }),
      setExitCode,
    }).parseAsync();
  } catch (error) {
    if (!isUsage(error)) terminal.complain(`skooly-backup: ${explain(error, terminal.language)}\n`);
    process.exitCode ||= exitCodeOf(error);
  }
}
