/** Time as the cable sees it, so that a test can own it. */
export interface Clock {
  now(): number;
  /** Runs `then` after `ms`; the answer cancels it. */
  after(ms: number, then: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
