#!/usr/bin/env node
import { skoolyCommand } from '../src/cli.ts';
import { operatorSentence } from '../src/errors.ts';

try {
  await skoolyCommand(process.env).parseAsync();
} catch (error) {
  const sentence = operatorSentence(error);
  if (sentence === undefined) throw error;
  console.error(`skooly: ${sentence}`);
  process.exitCode = 1;
}
