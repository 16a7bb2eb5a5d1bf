import { setTimeout as sleep } from 'node:timers/promises';
import { connectControl } from '../control/client.ts';
import { LabError } from '../errors.ts';
import { lockHolder } from '../processes/folder-lock.ts';
import { isRunning, type ProcessIdentity } from '../processes/identity.ts';
import { endLeftovers } from '../processes/leftovers.ts';
import { layout } from '../world/layout.ts';
import { purge } from '../world/purge.ts';
import { readState } from '../world/state.ts';

const POLL_MS = 50;
const TIMEOUT_MS = 90_000;

/** Ends the lab, or what a killed one left running. Without a lab it only says so. */
export async function endLab(options: { dir: string; purge?: boolean }): Promise<void> {
  const { dir } = options;
  const places = layout(dir);
  const supervisor = lockHolder(places.lock);
  if (supervisor !== null) {
    await connectControl(dir)('POST', '/down');
    await untilEnded(supervisor);
    console.log('The lab has ended.');
  } else {
    const ended = await endLeftovers(Object.values(readState(places.state)?.processes ?? {}));
    console.log(
      ended.length === 0 ? `No lab is up in ${dir}.` : `Ended ${ended.length} processes that were left over.`,
    );
  }
  if (!options.purge) return;
  purge(dir);
  console.log(`Removed ${dir}.`);
}

async function untilEnded(supervisor: ProcessIdentity): Promise<void> {
  const deadline = Date.now() + TIMEOUT_MS;
  while (isRunning(supervisor)) {
    if (Date.now() > deadline) {
      const advice = `Kill process ${supervisor.pid} and run down again: it ends what is left.`;
      throw new LabError('STEP_FAILED', `The lab did not end within ${TIMEOUT_MS / 1000} s.`, advice);
    }
    await sleep(POLL_MS);
  }
}
