/**
 * Drains the sync log into the relay until nothing is left: asks for the cursor, sends what follows it in batches, notes what
 * is acknowledged. Whatever goes wrong is thrown; draining again begins with the cursor.
 */
import type { BatchHeader, BootTimes } from '@skooly-edge/sync-protocol';
import type { BatchSize } from './batch-size.ts';

/** What draining needs of the sync log. */
export interface PendingLog {
  readonly epoch: string;
  /** The last seq that the cloud has said it applied. */
  readonly acknowledged: number;
  /** Transactions after `seq`, up to the limits, but at least one; null when there is none. */
  read(
    seq: number,
    maxBytes: number,
    maxTransactions: number,
  ): { lines: string[]; bytes: number; lastSeq: number } | null;
  acknowledge(seq: number): void;
}

export interface PushAnswer {
  cursor: { epoch: string; seq: number };
  /** Transactions of this campus that are parked in the cloud. */
  parked: number;
}

/** What draining needs of the relay. */
export interface PushTarget {
  sync(epoch: string, signal: AbortSignal): Promise<PushAnswer>;
  push(header: BatchHeader, lines: readonly string[], signal: AbortSignal): Promise<PushAnswer>;
}

export interface DrainOptions {
  log: PendingLog;
  relay: PushTarget;
  batchSize: BatchSize;
  /** Milliseconds of a clock that only goes forward. */
  monotonicMs(): number;
  onAnswer(answer: PushAnswer): void;
  /** What is known of the boots in which the transactions of these lines were committed. */
  boots?(lines: readonly string[]): Promise<BootTimes>;
}

const maxBatchTransactions = 10_000;

export async function drain(options: DrainOptions, signal: AbortSignal): Promise<void> {
  const { log, relay, batchSize, monotonicMs, onAnswer } = options;
  const position = await relay.sync(log.epoch, signal);
  log.acknowledge(position.cursor.seq);
  onAnswer(position);
  for (;;) {
    const slice = log.read(log.acknowledged, batchSize.bytes, maxBatchTransactions);
    if (!slice) return;
    const boots = await options.boots?.(slice.lines);
    const startedAt = monotonicMs();
    const answer = await relay.push({ epoch: log.epoch, boots }, slice.lines, signal);
    batchSize.sent(slice.bytes, monotonicMs() - startedAt);
    log.acknowledge(answer.cursor.seq);
    onAnswer(answer);
  }
}
