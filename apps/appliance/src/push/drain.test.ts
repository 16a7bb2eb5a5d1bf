import { expect, it, vi } from 'vitest';
import { type DrainOptions, drain, type PushAnswer } from './drain.ts';
import { ReadyRuns } from './ready-runs.ts';

const never = new AbortController().signal;

/** A log of as many transactions, each a line of ten bytes, and a relay that answers when the test says so. */
function parts(lastSeq: number, { onTheWay = 20 } = {}) {
  const sent: { seqs: number[]; signal: AbortSignal; answer: PromiseWithResolvers<PushAnswer> }[] = [];
  const failures: unknown[] = [];
  const log = {
    epoch: 'one',
    acknowledged: 0,
    read(after: number, maxBytes: number) {
      const count = Math.min(lastSeq - after, Math.max(1, Math.floor(maxBytes / 10)));
      if (count <= 0) return null;
      const lines = Array.from({ length: count }, (_, i) => String(after + 1 + i));
      return { lines, bytes: 10 * count, lastSeq: after + count };
    },
    acknowledge: (seq: number) => {
      log.acknowledged = Math.max(log.acknowledged, seq);
    },
  };
  const at = (seq: number): PushAnswer => ({ cursor: { epoch: 'one', seq }, parked: 0 });
  const pack = async (lines: readonly string[]) => lines;
  const options: DrainOptions<readonly string[]> = {
    log,
    relay: {
      sync: async () => at(log.acknowledged),
      pack,
      push(_header, packed, signal) {
        const answer = Promise.withResolvers<PushAnswer>();
        sent.push({ seqs: packed.flat().map(Number), signal, answer });
        return answer.promise;
      },
    },
    ready: new ReadyRuns(log, pack),
    batchSize: {
      bytes: 20,
      onTheWay,
      asked() {},
      sent: (bytes, sentAtMs) => ({ bytes, sentAtMs, alone: true, answeredBefore: 0 }),
      answered() {},
      failed: (_passage, blame) => void (blame && failures.push('batch')),
    },
    monotonicMs: () => 0,
    onAnswer() {},
  };
  return { options, sent, log, failures, at };
}

function open(lastSeq: number, how: { onTheWay?: number } = {}) {
  const opened = parts(lastSeq, how);
  return { ...opened, done: drain(opened.options, never) };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
const seqsOf = (sent: { seqs: number[] }[]) => sent.map(({ seqs }) => seqs);

it('a batch follows when the last one is answered', async () => {
  const { sent, log, at, done } = open(3);
  await settled();
  expect(seqsOf(sent)).toEqual([[1, 2]]);
  sent[0]?.answer.resolve(at(2));
  await settled();
  expect(seqsOf(sent)).toEqual([[1, 2], [3]]);
  sent[1]?.answer.resolve(at(3));
  await done;
  expect(log.acknowledged).toBe(3);
});

it('as far as the link carries it the next one is sent before', async () => {
  const { sent, at, done } = open(5, { onTheWay: 40 });
  await settled();
  expect(seqsOf(sent)).toEqual([
    [1, 2],
    [3, 4],
  ]);
  sent[0]?.answer.resolve(at(2));
  await settled();
  expect(seqsOf(sent).at(-1)).toEqual([5]);
  sent[1]?.answer.resolve(at(4));
  sent[2]?.answer.resolve(at(5));
  await done;
});

it('what was sent behind a batch that failed is given up, and counts as no failure of its own', async () => {
  const { sent, failures, done } = open(5, { onTheWay: 40 });
  await settled();
  sent[1]?.signal.addEventListener('abort', () => sent[1]?.answer.reject(new Error('given up')));
  sent[0]?.answer.reject(new Error('cut'));
  await expect(done).rejects.toThrow('cut');
  await settled();
  expect(sent[1]?.signal.aborted).toBe(true);
  expect(failures).toEqual(['batch']);
});

it('a relay that has applied less than it was sent is sent the rest again', async () => {
  const { sent, at, done } = open(2);
  await settled();
  sent[0]?.answer.resolve(at(1));
  await settled();
  expect(seqsOf(sent)).toEqual([[1, 2], [2]]);
  sent[1]?.answer.resolve(at(2));
  await done;
});

it('a cursor that was just heard is not asked for again', async () => {
  const { options, sent, at, log } = parts(3);
  log.acknowledged = 0;
  const sync = vi.fn(async () => at(0));
  const relay = { ...options.relay, sync };
  const done = drain({ ...options, relay, position: at(1) }, never);
  await settled();
  expect(seqsOf(sent)).toEqual([[2, 3]]);
  sent[0]?.answer.resolve(at(3));
  await done;
  expect(sync).not.toHaveBeenCalled();
});
