/**
 * When a transaction was committed, as far as that can be known.
 *
 * The wall clock of a box may jump, or start in 1970, while nobody is there to correct it. Its monotonic clock does neither, but
 * starts anew with each boot. So a transaction names its boot and the monotonic time of its commit, and the sender says what it
 * has learnt, later perhaps, of the real time at which each boot's clock stood at zero: its base. The receiver adds the two.
 *
 * Pure. It does not promise that the sender tells the truth: a time may be false, but never lies in the receiver's future.
 */
import type { Transaction } from '../transaction/transaction.ts';

/** Real time at which a boot's monotonic clock stood at zero, microseconds since 1970-01-01 UTC. */
export interface BootTime {
  /** Null: nothing ties this boot to real time, only the bounds are known. */
  base: number | null;
  /** The base is not before this. */
  earliest: number;
  /** The base is not after this; null: the boot may have begun at any time up to the receiver's now. */
  latest: number | null;
}

/** By the names that transactions give as their `boot`. */
export type BootTimes = Readonly<Record<string, BootTime>>;

/** Microseconds since 1970-01-01 UTC; all three are equal when the time is certain. */
export interface CommitTime {
  /** The best guess, for people to read and for the row to be dated with. */
  at: number;
  earliest: number;
  latest: number;
}

/**
 * @param receivedAt The receiver's now: nothing was committed later than that.
 * @returns the time by boot and monotonic clock. A transaction without them is of a sender that does not know them: its word
 *   is believed. One whose boot the sender says nothing about may have been committed at any time.
 */
export function commitTime(
  { committedAt, boot, mono }: Pick<Transaction, 'committedAt' | 'boot' | 'mono'>,
  boots: BootTimes,
  receivedAt: number,
): CommitTime {
  if (boot === undefined || mono === undefined) {
    const at = between(0, committedAt, receivedAt);
    return { at, earliest: at, latest: at };
  }
  const time = Object.hasOwn(boots, boot) ? boots[boot] : undefined;
  const earliest = time ? between(0, time.earliest + mono, receivedAt) : 0;
  const latest = between(earliest, time ? (time.latest ?? Infinity) + mono : Infinity, receivedAt);
  if (time === undefined || time.base === null) {
    return { at: between(earliest, committedAt, latest), earliest, latest };
  }
  const at = between(0, time.base + mono, receivedAt);
  return { at, earliest: Math.min(earliest, at), latest: Math.max(latest, at) };
}

export function isCertain({ earliest, latest }: CommitTime): boolean {
  return earliest === latest;
}

/** `boot` stands before `changes` in the text of a transaction, and nothing before `changes` is an array. */
const bootOfLine = /^\{[^[]*?"boot":"([^"\\]*)"/;

/** The boots that encoded transactions name, so that a batch can say what is known of these and no others. */
export function bootsNamed(lines: Iterable<string>): Set<string> {
  const named = new Set<string>();
  for (const line of lines) {
    const boot = bootOfLine.exec(line)?.[1];
    if (boot !== undefined) named.add(boot);
  }
  return named;
}

function between(least: number, value: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}
