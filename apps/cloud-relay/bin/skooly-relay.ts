#!/usr/bin/env node
import { readEnv } from '../src/config/env.ts';
import { startSteady } from '../src/process/steady-start.ts';

if (process.argv[2] === 'serve')
  startSteady({ env: { ...readEnv() }, execArgv: process.execArgv, argv: process.argv });

const { buildCli, explain } = await import('../src/cli.ts');
try {
  await buildCli().parseAsync();
} catch (error) {
  process.stderr.write(`skooly-relay: ${explain(error)}\n`);
  process.exitCode = 1;
}
