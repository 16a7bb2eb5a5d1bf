import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './say.mjs';

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const LINES_SHOWN = 6;

/** Runs an installer; its output goes to .tools/setup.log, and to the person only when it fails. */
export function runQuietly(root, command, args, options = {}) {
  const done = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: MAX_OUTPUT_BYTES,
    ...options,
  });
  const line = [command, ...args].join(' ');
  const output = `${done.stdout ?? ''}${done.stderr ?? ''}`;
  const log = join(root, '.tools', 'setup.log');
  mkdirSync(join(root, '.tools'), { recursive: true });
  appendFileSync(log, `$ ${line}\n${output}\n`);
  if (done.status === 0) return;
  const reason =
    done.error?.message ??
    (output.trim().split('\n').slice(-LINES_SHOWN).join('\n') || `signal ${done.signal}`);
  throw new SetupError(
    `${reason}\nSetting up failed at "${line}": put right what it says above and try again (full output: ${log}).`,
  );
}
