/** What the log tells of itself: a run of its transactions, and what of it is still to be sent. */

export interface PendingSummary {
  transactions: number;
  bytes: number;
  /** Commit time of the oldest, microseconds since 1970-01-01; null when nothing is pending. */
  oldestCommittedAt: number | null;
}

export interface LogSlice {
  lines: string[];
  /** Of the lines, before compression. */
  bytes: number;
  firstSeq: number;
  lastSeq: number;
}
