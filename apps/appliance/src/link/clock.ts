/** Time, handed in so that a test can own it. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** The time of day in milliseconds, as far as this machine knows it. */
  wallMs(): number;
  /** Runs `then` after `ms`; the answer cancels it. */
  after(ms: number, then: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
