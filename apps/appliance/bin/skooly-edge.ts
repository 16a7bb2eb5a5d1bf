#!/usr/bin/env node
import { readEnv } from '../src/config/env.ts';
import { startLean } from '../src/process/lean-start.ts';

const loadDaemon = () => import('../src/appliance.ts');
const loadCli = () => import('../src/cli/cli.ts');
const env = readEnv();
if (process.argv[2] === 'serve')
  await startLean({ env, execArgv: process.execArgv, argv: process.argv }, () =>
    Promise.all([loadDaemon(), loadCli()]),
  );

const { buildCli, explain } = await loadCli();
try {
  await buildCli({
    serve: async () => (await loadDaemon()).serve(),
    prepare: async (options) => (await loadDaemon()).prepare(options),
    env,
  }).parseAsync();
} catch (error) {
  process.stderr.write(`skooly-edge: ${explain(error)}\n`);
  process.exitCode ||= 1;
}
