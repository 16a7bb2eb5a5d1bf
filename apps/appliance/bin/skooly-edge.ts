#!/usr/bin/env node
import { prepare, serve } from '../src/appliance.ts';
import { buildCli, explain } from '../src/cli/cli.ts';
import { readEnv } from '../src/config/env.ts';

try {
  await buildCli({ serve, prepare, env: readEnv() }).parseAsync();
} catch (error) {
  process.stderr.write(`skooly-edge: ${explain(error)}\n`);
  process.exitCode ||= 1;
}
