/**
 * What the free space of the disk means: states × events as one table, in which a missing cell does not compile. Pure.
 *
 *   OK → WARN (say so) → TRIM (acknowledged transactions go early) → REFUSE (no new writes, reads go on)
 *
 * Down at once, up only when there is a fifth more room than the threshold, so that a disk at the edge does not flap.
 */
export const diskStates = ['OK', 'WARN', 'TRIM', 'REFUSE'] as const;
export type DiskState = (typeof diskStates)[number];

export interface DiskThresholds {
  /** Less free space than this is said. */
  warnBytes: number;
  /** Less than this, and acknowledged transactions are removed before their time. */
  trimBytes: number;
  /** Less than this, and the box takes no new writes. */
  refuseBytes: number;
}

/**
 * How much room there is. `edgeOf…`: enough not to get worse, too little to get better. `unknown`: the disk did not tell.
 * `full`: a write failed for lack of room, whatever the numbers say.
 */
export type DiskEvent =
  | 'ample'
  | 'edgeOfWarn'
  | 'low'
  | 'edgeOfTrim'
  | 'short'
  | 'edgeOfRefuse'
  | 'critical'
  | 'full'
  | 'unknown';

export const diskTable = {
  OK: {
    ample: 'OK',
    edgeOfWarn: 'OK',
    low: 'WARN',
    edgeOfTrim: 'WARN',
    short: 'TRIM',
    edgeOfRefuse: 'TRIM',
    critical: 'REFUSE',
    full: 'REFUSE',
    unknown: 'OK',
  },
  WARN: {
    ample: 'OK',
    edgeOfWarn: 'WARN',
    low: 'WARN',
    edgeOfTrim: 'WARN',
    short: 'TRIM',
    edgeOfRefuse: 'TRIM',
    critical: 'REFUSE',
    full: 'REFUSE',
    unknown: 'WARN',
  },
  TRIM: {
    ample: 'OK',
    edgeOfWarn: 'WARN',
    low: 'WARN',
    edgeOfTrim: 'TRIM',
    short: 'TRIM',
    edgeOfRefuse: 'TRIM',
    critical: 'REFUSE',
    full: 'REFUSE',
    unknown: 'TRIM',
  },
  REFUSE: {
    ample: 'OK',
    edgeOfWarn: 'WARN',
    low: 'WARN',
    edgeOfTrim: 'TRIM',
    short: 'TRIM',
    edgeOfRefuse: 'REFUSE',
    critical: 'REFUSE',
    full: 'REFUSE',
    unknown: 'REFUSE',
  },
} as const satisfies { [S in DiskState]: { [E in DiskEvent]: DiskState } };

/** A fifth more than the threshold is clear of it. */
const clear = (thresholdBytes: number) => thresholdBytes * 1.2;

export function diskEvent(freeBytes: number, thresholds: DiskThresholds): DiskEvent {
  const { warnBytes, trimBytes, refuseBytes } = thresholds;
  if (freeBytes < refuseBytes) return 'critical';
  if (freeBytes < Math.min(clear(refuseBytes), trimBytes)) return 'edgeOfRefuse';
  if (freeBytes < trimBytes) return 'short';
  if (freeBytes < Math.min(clear(trimBytes), warnBytes)) return 'edgeOfTrim';
  if (freeBytes < warnBytes) return 'low';
  return freeBytes < clear(warnBytes) ? 'edgeOfWarn' : 'ample';
}
