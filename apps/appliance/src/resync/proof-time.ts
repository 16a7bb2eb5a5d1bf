/** When the box proves again that both sides are equal: once a day at night, not all boxes at the same minute. */

const dayMs = 86_400_000;
/** Proofs are strewn over this long after the time that is set. */
const spreadMs = 3_600_000;
/** A box that was off at night makes up for it so long after it started. */
const afterStartMs = 600_000;

/**
 * @param at `HH:MM`, in the box's own time zone.
 * @param lastMs The last proof; of a box that never had one, when its database was made ready.
 * @param random From 0 to 1.
 * @returns milliseconds since 1970.
 */
export function nextProofAt(at: string, lastMs: number, nowMs: number, random: number): number {
  const [hours = 0, minutes = 0] = at.split(':').map(Number);
  const due = new Date(lastMs);
  due.setHours(hours, minutes, 0, 0);
  // A proof of last night may itself have been strewn beyond the hour.
  while (due.getTime() - lastMs < dayMs / 4) due.setDate(due.getDate() + 1);
  const soonest = due.getTime() < nowMs ? nowMs + afterStartMs : due.getTime();
  return soonest + random * spreadMs;
}
