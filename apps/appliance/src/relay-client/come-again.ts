/**
 * A relay that has its hands full says when to come again. The box does so, a little later by chance, so that those who were told
 * the same do not come back together; that is no failure, and nobody is told of one.
 */
import { RelayRefusal } from './relay-fetch.ts';

/** Up to this part of the time is added. */
const jitter = 0.25;

/** Whatever stands between may ask for a day; the link is tried more often than that. */
const mostMs = 120_000;

export interface Patience {
  random(): number;
  /** @throws the signal's reason */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * Asks until the relay takes it.
 *
 * @param before What was asked for before this and must be taken first: it is not overtaken. It does not reject.
 * @throws whatever else `ask` throws, and the signal's reason
 */
export async function comeAgain<T>(
  ask: () => Promise<T>,
  { random, pause }: Patience,
  signal: AbortSignal,
  before: Promise<unknown> = Promise.resolve(),
): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof RelayRefusal) || error.retryAfterMs === null) throw error;
      await pause(Math.min(error.retryAfterMs, mostMs) * (1 + jitter * random()), signal);
      await before;
      signal.throwIfAborted();
    }
  }
}
