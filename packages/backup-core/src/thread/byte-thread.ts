/**
 * The thread of bytes, as the program sees it: started with its first job, ended with the program's. It keeps the event loop
 * alive only while it works. A job that is called off has cleaned up behind itself when it rejects, with the signal's reason.
 */

import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { free, sweeper } from '../seal/free.ts';
import type { Expected } from '../seal/held.ts';
import type {
  FromThread,
  OpenTask,
  Question,
  ResultOf,
  SealTask,
  Task,
  ToThread,
  UnlockedKey,
} from './protocol.ts';
import type { Poured, Sink } from './sink.ts';
import { fromWire, toWire } from './wire-error.ts';

/** Of a stream little is young: room for more of it is only held. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 };
/** What is fed goes over in pieces of this size, of which so many are filled at once. */
const feedBytes = 256 * 1024;
const feedBuffers = 4;

export interface Asked {
  /** The session keys that a private key finds in these packets. */
  unlock(keyPackets: Uint8Array): Promise<UnlockedKey[]>;
  whoHas(sha256: string): string | undefined;
}

interface Job {
  readonly ended: PromiseWithResolvers<unknown>;
  readonly asked: Asked | null;
  readonly spare: ArrayBuffer[];
  /** Resolved when a buffer came back, or the job is over. */
  wake: () => void;
  isOver: boolean;
}

export class ByteThread implements AsyncDisposable {
  #worker: Worker | null = null;
  readonly #jobs = new Map<number, Job>();
  #last = 0;

  seal(task: Omit<SealTask, 'kind'>, signal: AbortSignal): Promise<ResultOf['seal']> {
    return this.#run({ kind: 'seal', ...task }, signal, null) as Promise<ResultOf['seal']>;
  }

  /** Takes over `cipher` and its chunks. An error of `cipher` is thrown as it is. */
  async open(
    cipher: Readable,
    task: { object: Expected; sink: Sink; asked: Asked; signal: AbortSignal },
  ): Promise<Poured> {
    const { object, sink, asked, signal } = task;
    const { name, bytes, sha256, plain, recipients } = object;
    const open: OpenTask = { kind: 'open', object: { name, bytes, sha256, plain, recipients }, sink };
    let problem: unknown;
    let fed = Promise.resolve();
    const feed = (id: number, job: Job) => {
      fed = this.#feed(id, job, cipher).then(
        () => this.#tell({ id, say: 'fed', error: null }),
        (error) => {
          problem = error;
          this.#tell({ id, say: 'fed', error: toWire(error) });
        },
      );
    };
    try {
      return (await this.#run(open, signal, asked, feed)) as Poured;
    } catch (error) {
      throw problem ?? error;
    } finally {
      cipher.destroy();
      await fed;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#jobs.keys()) this.#tell({ id, say: 'abort' });
    await Promise.allSettled([...this.#jobs.values()].map(({ ended }) => ended.promise));
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  async #run(
    task: Task,
    signal: AbortSignal,
    asked: Asked | null,
    feed: (id: number, job: Job) => void = () => undefined,
  ): Promise<unknown> {
    signal.throwIfAborted();
    const worker = this.#started();
    const id = ++this.#last;
    const job: Job = {
      ended: Promise.withResolvers(),
      asked,
      spare: [],
      wake: () => undefined,
      isOver: false,
    };
    const abort = () => this.#tell({ id, say: 'abort' });
    this.#jobs.set(id, job);
    worker.ref();
    signal.addEventListener('abort', abort, { once: true });
    this.#tell({ id, say: 'begin', task });
    feed(id, job);
    try {
      return await job.ended.promise;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      job.isOver = true;
      job.wake();
      signal.removeEventListener('abort', abort);
      this.#jobs.delete(id);
      if (this.#jobs.size === 0) worker.unref();
    }
  }

  async #feed(id: number, job: Job, cipher: Readable): Promise<void> {
    const sweep = sweeper();
    let filled = 0;
    let buffers = 0;
    let target: Buffer<ArrayBuffer> | null = null;
    const send = () => {
      if (target === null || filled === 0) return;
      const { buffer } = target;
      this.#tell({ id, say: 'feed', buffer, bytes: filled }, [buffer]);
      target = null;
      filled = 0;
    };
    for await (const chunk of cipher as AsyncIterable<Buffer>) {
      for (let from = 0; from < chunk.length; ) {
        while (target === null) {
          if (job.isOver) return;
          const spare = job.spare.pop();
          if (spare) target = Buffer.from(spare);
          else if (buffers++ < feedBuffers) target = Buffer.from(new ArrayBuffer(feedBytes));
          else
            await new Promise<void>((resolve) => {
              job.wake = resolve;
            });
        }
        const copied = chunk.copy(target, filled, from);
        from += copied;
        filled += copied;
        if (filled === feedBytes) send();
      }
      sweep(chunk.length);
      free(chunk);
    }
    send();
  }

  #tell(message: ToThread, transfer: ArrayBuffer[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #started(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { resourceLimits });
    const lost = (error: Error) => {
      if (this.#worker === worker) this.#worker = null;
      for (const { ended } of this.#jobs.values()) ended.reject(error);
    };
    worker.on('message', (message: FromThread) => this.#hear(message));
    worker.on('error', lost);
    worker.on('exit', (code) => lost(new Error(`The thread of bytes ended with code ${code}.`)));
    worker.unref();
    this.#worker = worker;
    return worker;
  }

  #hear(message: FromThread): void {
    const job = this.#jobs.get(message.id);
    if (!job) return;
    if (message.say === 'done') job.ended.resolve(message.result);
    else if (message.say === 'failed') job.ended.reject(fromWire(message.error));
    else if (message.say === 'took') {
      job.spare.push(message.buffer);
      job.wake();
    } else void this.#answer(message.id, job, message.question, message.asks);
  }

  async #answer(id: number, { asked }: Job, question: Question, asks: unknown): Promise<void> {
    try {
      const answer =
        question === 'unlock' ? await asked?.unlock(asks as Uint8Array) : asked?.whoHas(asks as string);
      this.#tell({ id, say: 'answer', answer, error: null });
    } catch (error) {
      this.#tell({ id, say: 'answer', answer: null, error: toWire(error) });
    }
  }
}
