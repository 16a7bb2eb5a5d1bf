/**
 * The way back from the box to the cloud: catch up while the box still serves; then the fence: new writes wait, those under
 * way on the box finish, what they changed is drained to the cloud, the switch turns, and what waited goes to the cloud.
 * The switch is the link's state, so turning it and letting the held writes go is one step for every request.
 *
 * If anything fails, takes too long, or the link falls, the fence is lifted, the box goes on serving, and the link hears
 * of it. A write that the box answers only after its time ran out is lost to nobody: it travels as any change does.
 */
import type { Clock } from '../link/clock.ts';
import type { Link } from '../link/link.ts';
import type { Fence } from './fence.ts';

export interface FailbackSteps {
  /** Resolves when hardly anything is left to exchange. Users notice nothing, so it may take long. */
  catchUp(signal: AbortSignal): Promise<void>;
  /** Resolves when every change that the box has committed is acknowledged by the cloud. Writes wait meanwhile. */
  drain(signal: AbortSignal): Promise<void>;
}

export interface FailbackResult {
  outcome: 'done' | 'failed';
  /** ISO 8601. */
  at: string;
  /** How long writes were held; null when they were not. */
  pauseMs: number | null;
  held: number;
  reason: string | null;
}

interface FailbackRoom {
  link: Pick<Link, 'state' | 'onChange' | 'report'>;
  fence: Fence;
  clock: Clock;
  fenceMaxMs: number;
  /** False: the box serves after it too, so nobody has to wait. */
  switchTurns: boolean;
}

/** Never rejects: what went wrong is in the result. */
export async function failback(
  { link, fence, clock, fenceMaxMs, switchTurns }: FailbackRoom,
  { catchUp, drain }: FailbackSteps,
  outerSignal: AbortSignal,
): Promise<FailbackResult> {
  const stop = new AbortController();
  const { signal } = stop;
  const giveUp = (reason: string) => stop.abort(new Error(reason));
  const onOuterAbort = () => giveUp('the box was told to stop');
  outerSignal.addEventListener('abort', onOuterAbort, { once: true });
  if (outerSignal.aborted) onOuterAbort();
  const stopListening = link.onChange(({ state }) => {
    if (state !== 'CATCHING_UP' && state !== 'ONLINE') giveUp('the link fell again');
  });
  const at = new Date(clock.wallMs()).toISOString();
  let raisedAtMs: number | null = null;
  let held = 0;
  let cancelTimer = () => {};
  const pauseMs = () => (raisedAtMs === null ? null : Math.round(clock.now() - raisedAtMs));
  try {
    if (link.state !== 'CATCHING_UP') throw new Error(`the link is ${link.state}`);
    await orAbort(catchUp(signal), signal);
    if (switchTurns) {
      raisedAtMs = clock.now();
      fence.raise(() => giveUp('more writes came than the fence may hold'));
      cancelTimer = clock.after(fenceMaxMs, () => giveUp(`the fence took more than ${fenceMaxMs} ms`));
      await orAbort(fence.idle(), signal);
      await orAbort(drain(signal), signal);
    }
    held = fence.held;
    link.report({ type: 'caughtUp' });
    return { outcome: 'done', at, pauseMs: pauseMs(), held, reason: null };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    held = fence.held;
    link.report({ type: 'catchUpFailed', reason: `going back to the cloud was put off: ${reason}` });
    stop.abort(error);
    return { outcome: 'failed', at, pauseMs: pauseMs(), held, reason };
  } finally {
    fence.lift();
    cancelTimer();
    stopListening();
    outerSignal.removeEventListener('abort', onOuterAbort);
  }
}

/** As the work, unless the signal comes first. What the work does afterwards is nobody's concern. */
async function orAbort(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  work.catch(() => undefined);
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    aborted.promise.catch(() => undefined);
  }
  signal.throwIfAborted();
}
