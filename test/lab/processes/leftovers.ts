import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, type ProcessIdentity } from './identity.ts';
import { sendSignal } from './send-signal.ts';

const POLL_MS = 50;
/** Interrupt makes a Postgres shut down fast and a Node process end in order; what is left after this is killed. */
const GRACE_MS = 10_000;

/** Ends processes of an earlier run. One that is not provably the recorded one is left alone. */
export async function endLeftovers(recorded: readonly ProcessIdentity[]): Promise<ProcessIdentity[]> {
  const running = recorded.filter(isRunning);
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    for (const identity of running.filter(isRunning)) sendSignal(identity.pid, signal);
    const deadline = Date.now() + GRACE_MS;
    while (running.some(isRunning) && Date.now() < deadline) await sleep(POLL_MS);
  }
  return running;
}
