/**
 * Drains the sync log into the relay until nothing is left: asks for the cursor, sends what follows it in batches, notes what
 * is acknowledged. The next batch is sent before the last is answered, as far as `BatchSize` lets it; the relay applies them in the
 * order in which they come. Whatever goes wrong is thrown; draining again begins with the cursor.
 */
import type { BatchHeader, BootTimes } from '@skooly-edge/sync-protocol';
import type { BatchSize } from './batch-size.ts';
import type { PackedBlocks, ReadyRuns, RunSource } from './ready-runs.ts';

/** What draining needs of the sync log. */
export interface PendingLog extends RunSource {
  acknowledge(seq: number): void;
}

export interface PushAnswer {
  cursor: { epoch: string; seq: number };
  /** Transactions of this campus that are parked in the cloud. */
  parked: number;
}

/** What draining needs of the relay. `Packed`: some transactions as they are sent. */
export interface PushTarget<Packed extends PackedBlocks = Buffer[]> {
  sync(epoch: string, signal: AbortSignal): Promise<PushAnswer>;
  pack(lines: readonly string[]): Promise<Packed>;
  push(header: BatchHeader, packed: readonly Packed[], signal: AbortSignal): Promise<PushAnswer>;
}

export interface DrainOptions<Packed extends PackedBlocks = Buffer[]> {
  log: PendingLog;
  relay: PushTarget<Packed>;
  ready: ReadyRuns<Packed>;
  batchSize: Pick<BatchSize, 'asked' | 'bytes' | 'onTheWay' | 'sent' | 'answered' | 'failed'>;
  /** Milliseconds of a clock that only goes forward. */
  monotonicMs(): number;
  onAnswer(answer: PushAnswer): void;
  /** Where the cloud stands, when that has just been heard; left out, it is asked for. */
  position?: PushAnswer | null;
  /** What is known of these boots. */
  boots?(named: ReadonlySet<string>): Promise<BootTimes>;
}

interface SentBatch {
  lastSeq: number;
  bytes: number;
  answer: Promise<PushAnswer>;
}

export async function drain<Packed extends PackedBlocks>(
  options: DrainOptions<Packed>,
  signal: AbortSignal,
): Promise<void> {
  const { log, onAnswer } = options;
  const position = options.position ?? (await ask(options, signal));
  log.acknowledge(position.cursor.seq);
  onAnswer(position);
  const over = new AbortController();
  try {
    await sendAll(options, AbortSignal.any([signal, over.signal]));
  } finally {
    // Where one batch failed, what was sent behind it is given up with it.
    over.abort();
  }
}

async function ask<Packed extends PackedBlocks>(
  { log, relay, batchSize, monotonicMs }: DrainOptions<Packed>,
  signal: AbortSignal,
): Promise<PushAnswer> {
  const askedAt = monotonicMs();
  const position = await relay.sync(log.epoch, signal);
  batchSize.asked(monotonicMs() - askedAt);
  return position;
}

async function sendAll<Packed extends PackedBlocks>(
  options: DrainOptions<Packed>,
  signal: AbortSignal,
): Promise<void> {
  const { log, ready, batchSize, onAnswer } = options;
  const onTheWay: SentBatch[] = [];
  const hasRoom = () => {
    const bytes = onTheWay.reduce((sum, batch) => sum + batch.bytes, 0);
    return onTheWay.length === 0 || bytes + batchSize.bytes <= batchSize.onTheWay;
  };
  for (let sent = log.acknowledged; ; ) {
    while (hasRoom()) {
      const batch = await send(options, sent, signal);
      if (!batch) break;
      onTheWay.push(batch);
      sent = batch.lastSeq;
    }
    const first = onTheWay.shift();
    if (!first) return;
    const stop = new AbortController();
    const made = ready.fill(sent, stop.signal, batchSize.bytes);
    made.catch(() => {});
    const answer = await first.answer.finally(() => stop.abort());
    await made;
    // An answer that comes when the log has been turned back to another cloud's cursor says nothing of that cloud.
    signal.throwIfAborted();
    log.acknowledge(answer.cursor.seq);
    onAnswer(answer);
    // A relay that has applied less than it was sent is sent what it asks for.
    if (log.acknowledged < first.lastSeq && onTheWay.length === 0) sent = log.acknowledged;
  }
}

async function send<Packed extends PackedBlocks>(
  { log, relay, ready, batchSize, boots, monotonicMs }: DrainOptions<Packed>,
  after: number,
  signal: AbortSignal,
): Promise<SentBatch | null> {
  const runs = await ready.take(after, batchSize.bytes);
  const last = runs.at(-1);
  if (!last) return null;
  const named = new Set(runs.flatMap((run) => [...run.boots]));
  const header = { epoch: log.epoch, boots: await boots?.(named) };
  const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  const passage = batchSize.sent(bytes, monotonicMs());
  const answer = relay
    .push(
      header,
      runs.map((run) => run.packed),
      signal,
    )
    .then(
      (answer) => {
        batchSize.answered(passage, monotonicMs());
        return answer;
      },
      (error) => {
        batchSize.failed(passage, !signal.aborted);
        throw error;
      },
    );
  answer.catch(() => {});
  return { lastSeq: last.lastSeq, bytes, answer };
}
