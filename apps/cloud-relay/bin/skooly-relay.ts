#!/usr/bin/env node
import { buildCli, explain } from '../src/cli.ts';

try {
  await buildCli().parseAsync();
} catch (error) {
  process.stderr.write(`skooly-relay: ${explain(error)}\n`);
  process.exitCode = 1;
}
