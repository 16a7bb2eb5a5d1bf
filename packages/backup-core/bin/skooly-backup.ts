#!/usr/bin/env node
import { flushCompileCache } from 'node:module';
import { startLean } from '../src/cli/lean-start.ts';

startLean(process);
const { main } = await import('../src/cli/main.ts');
flushCompileCache();
await main();
