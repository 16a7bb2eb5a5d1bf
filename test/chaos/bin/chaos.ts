#!/usr/bin/env node
import { buildCli } from '../cli.ts';

try {
  await buildCli().parseAsync();
} catch (error) {
  process.stderr.write(`chaos: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
