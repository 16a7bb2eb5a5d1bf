#!/usr/bin/env node
import { startLean } from '../src/cli/lean-start.ts';

startLean(process);
const { main } = await import('../src/cli/main.ts');
await main();
