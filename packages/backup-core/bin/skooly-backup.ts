#!/usr/bin/env node
import { flushCompileCache } from 'node:module';
import { beginAgainCompiled, startLean } from '../src/cli/lean-start.ts';

startLean(process);
const { main } = await import('../src/cli/main.ts');
flushCompileCache();
await beginAgainCompiled(process, () => import('../src/thread/worker.ts'));
await main();
