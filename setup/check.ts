/**
 * Types, lint and format of the whole repository in one command. All are run even when one fails; the exit code says whether
 * every one was content.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const colors = process.stdout.isTTY ? 'force' : 'off';
const checks = [
  { name: 'types', script: 'node_modules/typescript/bin/tsc', args: ['-p', '.'] },
  {
    name: 'lint and format',
    script: 'node_modules/@biomejs/biome/bin/biome',
    args: ['ci', '.', `--colors=${colors}`],
  },
];

const failed = checks.filter(({ name, script, args }) => {
  const started = Date.now();
  const done = spawnSync(process.execPath, [resolve(root, script), ...args], { cwd: root, stdio: 'inherit' });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`${name}: ${done.status === 0 ? 'good' : 'NOT good'} (${seconds} s)`);
  return done.status !== 0;
});
process.exitCode = failed.length === 0 ? 0 : 1;
