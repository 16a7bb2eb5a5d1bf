const SEGMENT_BYTES = 1_460;
/** Linux waits at least this long before it sends a segment again. */
const MIN_RETRANSMIT_MS = 200;
const MAX_STALL_MS = 60_000;

/**
 * How long lost packets hold up these bytes. TCP hides loss from the programs at both ends: what they see is that everything
 * behind the lost segment waits until it was sent again, twice as long each time that it is lost again.
 */
export function retransmissionStallMs(
  bytes: number,
  { lossPct, rttMs }: { lossPct: number; rttMs: number },
  random: () => number,
): number {
  if (lossPct <= 0) return 0;
  const loss = lossPct / 100;
  const segments = Math.max(1, Math.ceil(bytes / SEGMENT_BYTES));
  if (random() >= 1 - (1 - loss) ** segments) return 0;
  let wait = Math.max(MIN_RETRANSMIT_MS, 2 * rttMs);
  let stall = wait;
  while (stall < MAX_STALL_MS && random() < loss) {
    wait *= 2;
    stall += wait;
  }
  return Math.min(stall, MAX_STALL_MS);
}
