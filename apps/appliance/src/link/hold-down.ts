import type { HoldDownSettings } from './settings.ts';

/**
 * How long to wait, counted from a fall out of ONLINE, before going back may begin. Doubles with each fall, and is halved
 * by each `decayMs` that was spent online in between.
 */
export function nextHoldDownMs(previousMs: number, onlineForMs: number, settings: HoldDownSettings): number {
  const decayed = previousMs / 2 ** Math.floor(onlineForMs / settings.decayMs);
  return Math.min(Math.max(decayed * 2, settings.minMs), settings.maxMs);
}
