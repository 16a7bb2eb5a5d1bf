/** How long to wait before trying again: doubled each time, within bounds, and spread so that regions do not move in step. */
export interface RetryPolicy {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** For what passes by itself: a link that is down, a server that is busy. */
export const passingPolicy: RetryPolicy = { firstMs: 1_000, mostMs: 60_000 };
/** For what somebody has to put right: credentials, a quota. */
export const lastingPolicy: RetryPolicy = { firstMs: 30_000, mostMs: 15 * 60_000 };

/** @param failures How often it failed in a row, from 1. @param random From 0 to 1. */
export function retryDelayMs(failures: number, { firstMs, mostMs }: RetryPolicy, random: number): number {
  const doubled = firstMs * 2 ** Math.min(failures - 1, 30);
  return Math.round(Math.min(doubled, mostMs) * (0.75 + random / 4));
}
