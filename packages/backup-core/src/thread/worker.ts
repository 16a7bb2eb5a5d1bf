/**
 * The thread that bytes pass through: it seals, opens and hashes, and knows nothing else. Its heap stays small, so that the
 * collector, which looks at all of it whenever some buffers have come and gone, has little to look at.
 */
import { parentPort } from 'node:worker_threads';
import { sealStream } from '../seal/seal-stream.ts';
import { openPlain } from '../source/plain.ts';
import { Fed } from './fed.ts';
import { openInto } from './open-into.ts';
import type { FromThread, OpenTask, Question, Questions, SealTask, Task, ToThread } from './protocol.ts';
import { fromWire, toWire } from './wire-error.ts';

const port = parentPort as NonNullable<typeof parentPort>;

interface Running {
  readonly abort: AbortController;
  readonly fed: Fed;
  answer: PromiseWithResolvers<unknown> | null;
}

const jobs = new Map<number, Running>();

// Elsewhere it is only loaded, so that it is compiled.
parentPort?.on('message', (message: ToThread) => {
  if (message.say === 'begin') return begin(message.id, message.task);
  const job = jobs.get(message.id);
  if (message.say === 'feed') {
    if (job) job.fed.push(message.buffer, message.bytes);
    return;
  }
  if (message.say === 'abort') {
    job?.abort.abort();
    job?.fed.end(new Error('It was called off.'));
  } else if (message.say === 'fed') job?.fed.end(message.error && fromWire(message.error));
  else if (message.error) job?.answer?.reject(fromWire(message.error));
  else job?.answer?.resolve(message.answer);
});

function tell(message: FromThread, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function begin(id: number, task: Task): void {
  const fed = new Fed((buffer) => tell({ id, say: 'took', buffer }, [buffer]));
  const job: Running = { abort: new AbortController(), fed, answer: null };
  jobs.set(id, job);
  const work = task.kind === 'seal' ? seal(task, job) : open(id, task, job);
  work
    .then(
      (result) => tell({ id, say: 'done', result }),
      (error) => tell({ id, say: 'failed', error: toWire(error) }),
    )
    .finally(() => jobs.delete(id));
}

async function seal({ plain, session, into }: SealTask, { abort: { signal } }: Running) {
  const { stream, passed, release } = openPlain(plain, signal);
  let md5: string | null = null;
  const onMd5 = (found: string) => {
    md5 = found;
  };
  const isWhole = plain.from === 'file';
  const sealed = await sealStream(stream, {
    session,
    into,
    signal,
    release,
    ...(isWhole && { onMd5 }),
  });
  return { sealed, passed: passed(), md5 };
}

function open(id: number, { object, sink }: OpenTask, job: Running) {
  const ask = async <Q extends Question>(question: Q, asks: Questions[Q]['asks']) => {
    job.answer = Promise.withResolvers();
    tell({ id, say: 'ask', question, asks });
    return (await job.answer.promise) as Questions[Q]['answer'];
  };
  return openInto(job.fed, object, sink, {
    unlock: (keyPackets) => ask('unlock', keyPackets),
    whoHas: (sha256) => ask('whoHas', sha256),
    signal: job.abort.signal,
  });
}
