import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { pathWith } from './node.mjs';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];
/** One Ctrl-C arrives twice: from the terminal and from npm. Later ones are meant. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Runs the script and ends as it ends. The script has a session of its own, so that a Ctrl-C reaches it through here, once.
 */
export function runScript(node, script, args) {
  const child = spawn(node, [script, ...args], {
    stdio: 'inherit',
    detached: true,
    env: { ...process.env, PATH: pathWith(node) },
  });
  const lastAt = {};
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      const now = Date.now();
      if (now - (lastAt[signal] ?? 0) > SAME_SIGNAL_MS) child.kill(signal);
      lastAt[signal] = now;
    });
  }
  child.once('error', (error) => {
    process.stderr.write(`${node} does not start: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}
