/**
 * Drains the sync log into the relay until nothing is left: asks for the cursor, sends what follows it in batches, notes what
 * is acknowledged. One batch is on its way at a time, and the next is made ready meanwhile. Whatever goes wrong is thrown;
 * draining again begins with the cursor.
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

/** What draining needs of the relay. `Body`: a batch as it is sent. */
export interface PushTarget<Body = Buffer> {
  sync(epoch: string, signal: AbortSignal): Promise<PushAnswer>;
  encode(header: BatchHeader, lines: readonly string[]): Promise<Body>;
  push(body: Body, signal: AbortSignal): Promise<PushAnswer>;
}

export interface DrainOptions<Body = Buffer> {
  log: PendingLog;
  relay: PushTarget<Body>;
  batchSize: BatchSize;
  /** Milliseconds of a clock that only goes forward. */
  monotonicMs(): number;
  onAnswer(answer: PushAnswer): void;
  /** What is known of the boots in which the transactions of these lines were committed. */
  boots?(lines: readonly string[]): Promise<BootTimes>;
}

const maxBatchTransactions = 10_000;

interface Batch<Body> {
  /** The transaction that it follows. */
  after: number;
  lastSeq: number;
  bytes: number;
  body: Body;
}

export async function drain<Body>(options: DrainOptions<Body>, signal: AbortSignal): Promise<void> {
  const { log, relay, batchSize, monotonicMs, onAnswer } = options;
  const position = await relay.sync(log.epoch, signal);
  log.acknowledge(position.cursor.seq);
  onAnswer(position);
  for (let batch = await nextBatch(options, log.acknowledged); batch; ) {
    const { body, bytes, lastSeq } = batch;
    const startedAt = monotonicMs();
    const pushed = relay.push(body, signal).then((answer) => {
      batchSize.sent(bytes, monotonicMs() - startedAt);
      return answer;
    });
    const [answer, next] = await Promise.all([pushed, nextBatch(options, lastSeq)]);
    // An answer that comes when the log has been turned back to another cloud's cursor says nothing of that cloud.
    signal.throwIfAborted();
    log.acknowledge(answer.cursor.seq);
    onAnswer(answer);
    // What was written since then goes along, and a relay that has applied less is sent what it asks for.
    batch = next?.after === log.acknowledged ? next : await nextBatch(options, log.acknowledged);
  }
}

async function nextBatch<Body>(
  { log, relay, batchSize, boots }: DrainOptions<Body>,
  after: number,
): Promise<Batch<Body> | null> {
  const slice = log.read(after, batchSize.bytes, maxBatchTransactions);
  if (!slice) return null;
  const { lines, lastSeq, bytes } = slice;
  const body = await relay.encode({ epoch: log.epoch, boots: await boots?.(lines) }, lines);
  return { after, lastSeq, bytes, body };
}
