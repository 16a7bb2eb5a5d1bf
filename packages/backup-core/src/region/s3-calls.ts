/**
 * The S3 client as this room uses it: no retries of its own, no checksums that nobody asked for, sockets and silences bounded.
 * Bodies are buffers of known length whose hash the caller has at hand, so that nothing is hashed twice.
 */
import { createHash } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Readable } from 'node:stream';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { isRegionError, RegionError } from './errors.ts';
import { judgeError } from './judge-error.ts';
import type { Pace } from './region.ts';
import { defaultTimeouts, type RegionSettings } from './settings.ts';

const MAX_SOCKETS = 16;
/** A slice is what the link takes in a moment: each is work for this processor, and one that takes too long looks like silence. */
const LEAST_SLICE_BYTES = 16 * 1024;
const MOST_SLICE_BYTES = 1024 * 1024;
const EASY_SLICE_MS = 100;
const HARD_SLICE_MS = 1_000;
/** Beyond the idle limit: a server that takes a byte now and then would hold a request for ever. */
const ANSWER_MS = 120_000;
const LEAST_BYTES_PER_MS = 1;

// biome-ignore lint/suspicious/noExplicitAny: the client's own types of commands are not assignable to one another.
type Command = any;

export interface Body {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** Of the command's own body, when it has one. */
  readonly body?: Body;
  readonly pace?: Pace | undefined;
  /** For requests whose body the client writes and that old servers take only with an MD5. */
  readonly withMd5?: boolean;
  /** Bytes handed to the socket. */
  onSlice?(bytes: number): void;
}

export class S3Calls {
  readonly region: string;
  readonly bucket: string;
  readonly #client: S3Client;

  constructor(settings: RegionSettings) {
    this.region = settings.name;
    this.bucket = settings.bucket;
    const { connectMs, idleMs } = { ...defaultTimeouts, ...settings.timeouts };
    const sockets = { keepAlive: true, maxSockets: MAX_SOCKETS, scheduling: 'lifo' } as const;
    this.#client = new S3Client({
      endpoint: settings.endpoint,
      region: settings.signingRegion ?? 'us-east-1',
      forcePathStyle: settings.pathStyle ?? true,
      credentials: async () => settings.credentials.reveal(),
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 1,
      expectContinueHeader: false,
      followRegionRedirects: false,
      requestHandler: {
        connectionTimeout: connectMs,
        socketTimeout: idleMs,
        httpAgent: new HttpAgent(sockets),
        httpsAgent: new HttpsAgent(sockets),
      },
    });
  }

  /** Rejects with a RegionError or the signal's reason, never with the client's own error. */
  async send<Output>(command: Command, options: SendOptions = {}): Promise<Output> {
    try {
      return await this.sendRaw<Output>(command, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw judgeError(error, this.region);
    }
  }

  /** As `send`, with the client's own error, for callers that look for one answer of the region. */
  async sendRaw<Output>(command: Command, options: SendOptions = {}): Promise<Output> {
    const { signal, body, pace } = options;
    signal?.throwIfAborted();
    const limitMs = ANSWER_MS + (body?.bytes ?? 0) / LEAST_BYTES_PER_MS;
    const tooSlow = new AbortController();
    const timer = setTimeout(() => tooSlow.abort(timedOut(limitMs)), limitMs);
    if (pace !== undefined) clearTimeout(timer);
    const ended = signal === undefined ? tooSlow.signal : AbortSignal.any([signal, tooSlow.signal]);
    const answered = new AbortController();
    if (body !== undefined) setHeader(command, 'x-amz-content-sha256', () => body.sha256);
    if (options.withMd5) setHeader(command, 'content-md5', (sent) => md5(sent as string));
    if (body !== undefined && pace !== undefined)
      sendInSlices(command, AbortSignal.any([ended, answered.signal]), pace, options.onSlice);
    try {
      return (await this.#client.send(command, { abortSignal: ended })) as Output;
    } catch (error) {
      signal?.throwIfAborted();
      throw tooSlow.signal.aborted ? tooSlow.signal.reason : error;
    } finally {
      clearTimeout(timer);
      answered.abort();
    }
  }

  /** How far the region's clock is ahead, by the date of an answer; the client signs by that clock afterwards. */
  async clockSkewMs(now: () => number, signal?: AbortSignal): Promise<number> {
    let date: string | undefined;
    const ask = async () => {
      const command: Command = new HeadBucketCommand({ Bucket: this.bucket });
      const middleware = (next: Command) => async (args: Command) => {
        const answer = await next(args);
        date = answer.response.headers.date;
        return answer;
      };
      command.middlewareStack.add(middleware, { step: 'deserialize', priority: 'low', name: 'note-date' });
      await this.send(command, { signal }).catch((error) => {
        if (!isRegionError(error, 'REGION_NOT_FOUND')) throw error;
        const what = `has no bucket ${this.bucket}`;
        throw new RegionError('REGION_BUCKET_MISSING', this.region, what, { cause: error.cause });
      });
    };
    const askedAt = now();
    try {
      await ask();
    } catch (error) {
      // A HEAD has no body that says why: 403 may be the clock, and the second request is signed by the region's.
      if (!isRegionError(error, 'REGION_REFUSED', 'REGION_CLOCK')) throw error;
      await ask();
    }
    const halfway = (askedAt + now()) / 2;
    return date === undefined ? 0 : Math.round(Date.parse(date) + 500 - halfway);
  }

  close(): void {
    this.#client.destroy();
  }
}

function setHeader(command: Command, name: string, value: (body: unknown) => string): void {
  const middleware = (next: Command) => (args: Command) => {
    args.request.headers[name] = value(args.request.body);
    return next(args);
  };
  command.middlewareStack.add(middleware, { step: 'build', name: `set-${name}` });
}

/** After the request was signed: the same bytes, only not all at once. */
function sendInSlices(command: Command, signal: AbortSignal, pace: Pace, onSlice?: (bytes: number) => void) {
  const middleware = (next: Command) => (args: Command) => {
    args.request.body = Readable.from(slices(args.request.body, signal, pace, onSlice), {
      objectMode: false,
      highWaterMark: LEAST_SLICE_BYTES,
    }).on('error', () => undefined);
    return next(args);
  };
  command.middlewareStack.add(middleware, { step: 'deserialize', priority: 'low', name: 'paced-body' });
}

async function* slices(body: Buffer, signal: AbortSignal, pace: Pace, onSlice?: (bytes: number) => void) {
  let bytes = LEAST_SLICE_BYTES;
  for (let start = 0; start < body.length; ) {
    const begunAt = performance.now();
    const slice = body.subarray(start, start + bytes);
    await pace.pass(slice.length, signal);
    onSlice?.(slice.length);
    yield slice;
    start += slice.length;
    const tookMs = performance.now() - begunAt;
    if (tookMs < EASY_SLICE_MS) bytes = Math.min(bytes * 2, MOST_SLICE_BYTES);
    else if (tookMs > HARD_SLICE_MS) bytes = LEAST_SLICE_BYTES;
  }
}

function timedOut(ms: number): Error {
  const error = new Error(`no answer within ${Math.round(ms / 1000)} s`);
  error.name = 'TimeoutError';
  return error;
}

function md5(body: string): string {
  return createHash('md5').update(body).digest('base64');
}

/** As S3 wants checksums. */
export function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}
