/**
 * The body of a request. A short one is read whole before anything is sent, so that it can be sent a second time; a long
 * one, or one for which the memory of all kept bodies is used up, is streamed, and can be sent only once.
 */
import type { IncomingMessage } from 'node:http';

export interface RequestBody {
  /** Known length; null for a stream of unknown length. 0: no body. */
  readonly bytes: number | null;
  /** What undici sends. A stream must not be taken again once `started`. */
  readonly content: Buffer | AsyncIterable<Buffer> | null;
  /** Whether a stream has begun to be read; what was read is gone. */
  readonly started: boolean;
  readonly kept: boolean;
  /** Gives the memory back. May be called twice. */
  release(): void;
}

/** How much memory all kept bodies may take. */
export class ReplayBudget {
  #leftBytes: number;

  constructor(totalBytes: number) {
    this.#leftBytes = totalBytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#leftBytes) return false;
    this.#leftBytes -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#leftBytes += bytes;
  }
}

export const noBody: RequestBody = {
  bytes: 0,
  content: null,
  started: false,
  kept: true,
  release: () => undefined,
};

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** @throws when the client goes away before the body is whole. */
export async function readRequestBody(
  request: IncomingMessage,
  { replayBodyBytes }: { replayBodyBytes: number },
  budget: ReplayBudget,
): Promise<RequestBody> {
  const announced = request.headers['content-length'];
  const bytes = announced === undefined ? null : Number(announced);
  const reserved = bytes ?? replayBodyBytes;
  if (reserved > replayBodyBytes || !budget.take(reserved)) return streamed(request, bytes);
  try {
    const read = await readUpTo(request, reserved);
    if (read.whole) return kept(read.chunks, reserved, budget);
    budget.giveBack(reserved);
    return streamed(request, bytes, read.chunks);
  } catch (error) {
    budget.giveBack(reserved);
    throw error;
  }
}

function kept(chunks: Buffer[], reserved: number, budget: ReplayBudget): RequestBody {
  const content = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  budget.giveBack(reserved - content.length);
  let held = content.length;
  const release = () => {
    budget.giveBack(held);
    held = 0;
  };
  return { bytes: content.length, content, started: false, kept: true, release };
}

function streamed(request: IncomingMessage, bytes: number | null, before: Buffer[] = []): RequestBody {
  const body = { bytes, started: false, kept: false, release: () => undefined };
  async function* read(): AsyncGenerator<Buffer> {
    body.started = true;
    yield* before;
    // Giving up a stream must leave the request whole, or its answer could not be written any more.
    yield* request.iterator({ destroyOnReturn: false });
  }
  return Object.assign(body, { content: { [Symbol.asyncIterator]: read } });
}

function readUpTo(
  request: IncomingMessage,
  mostBytes: number,
): Promise<{ chunks: Buffer[]; whole: boolean }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ chunks: Buffer[]; whole: boolean }>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes <= mostBytes) return;
    request.pause();
    finish();
    resolve({ chunks, whole: false });
  };
  const onEnd = () => {
    finish();
    resolve({ chunks, whole: true });
  };
  const onGone = () => {
    finish();
    reject(new Error('the client went away'));
  };
  const finish = () => {
    request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
  };
  request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
  return promise;
}
