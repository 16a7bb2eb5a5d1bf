import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { say } from './say.mjs';

const PATIENCE_MS = 500;

/**
 * Only one set-up of this folder at a time; a second one waits. The lock is `flock` on a file, held by a child that lives while
 * its input is open: it cannot outlive this process, however that ends. A machine without `flock` goes without.
 */
export async function withSetupLock(root, work) {
  mkdirSync(join(root, '.tools'), { recursive: true });
  const file = join(root, '.tools', 'setup.lock');
  const holder = spawn('flock', [file, 'sh', '-c', 'echo held; cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  const waiting = setTimeout(
    () => say('Another set-up of this folder is running: waiting for it.'),
    PATIENCE_MS,
  );
  await new Promise((held) => {
    holder.once('error', held);
    holder.stdout.once('data', held);
    holder.stdout.once('end', held);
  });
  clearTimeout(waiting);
  try {
    return work();
  } finally {
    holder.stdin.on('error', () => undefined);
    holder.stdin.end();
  }
}
