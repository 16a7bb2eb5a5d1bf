/**
 * Batches that would follow one another closely are made one: each costs a commit of the log, a sync of the disk and a message to
 * Postgres, which is more than the transactions in it. A batch that comes after a rest is handed over at once; so is one that comes soon
 * after it, but then capture collects for a moment what comes next. Nothing is late by more than that moment. Batches without a change, as those
 * that a pull leaves in the WAL, are cheap, and the follower waits for them: they pass.
 */
import type { CaptureSink } from '@skooly-edge/sync-protocol';

/** Batches that begin so soon after the last one ended are many. */
const soonMs = 2;

/** From one batch to the next, where they are many. */
const momentMs = 5;

export interface PaceClock {
  nowMs(): number;
  pause(ms: number): Promise<unknown>;
}

export function paced(sink: CaptureSink, { nowMs, pause }: PaceClock): CaptureSink {
  let endedAtMs = Number.NEGATIVE_INFINITY;
  return {
    async append(transactions) {
      const beganAtMs = nowMs();
      await sink.append(transactions);
      if (!transactions.some(({ changes }) => changes.length > 0)) return;
      const restMs = momentMs - (nowMs() - beganAtMs);
      if (beganAtMs - endedAtMs < soonMs && restMs > 0) await pause(restMs);
      endedAtMs = nowMs();
    },
  };
}
