#!/usr/bin/env node
import { buildCli } from '../cli/cli.ts';
import { explain } from '../cli/explain.ts';

try {
  await buildCli().parseAsync();
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}
