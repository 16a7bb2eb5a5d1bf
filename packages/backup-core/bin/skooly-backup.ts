#!/usr/bin/env node
import pino from 'pino';
import { buildCli } from '../src/cli/cli.ts';
import { exitCodeOf, explain, isUsage } from '../src/cli/exit-codes.ts';
import { quietPipe } from '../src/cli/quiet-pipe.ts';
import { systemTerminal } from '../src/cli/terminal.ts';
import { openRegion } from '../src/region/s3-region.ts';

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
  if (!isUsage(error)) terminal.complain(`skooly-backup: ${explain(error)}\n`);
  process.exitCode ||= exitCodeOf(error);
}
