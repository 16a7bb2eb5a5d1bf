/**
 * A strict S3 server for tests and the lab: path style, signatures verified, versions, Object Lock, uploads in parts, lists,
 * conditional puts. A request goes: signature, operation, permission, faults, then the operation itself. What real servers
 * refuse is refused here; what this one does not know is 501, never a guess. It does wrong only what it is told to (`faults.ts`).
 *
 * It keeps its data across restarts in the same folder, and promises nothing after a power cut.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as buckets from './buckets.ts';
import type { Answer, Context } from './context.ts';
import { answerControl } from './control.ts';
import { accessDenied, S3Error } from './error.ts';
import { type Behaviour, type Fault, Faults, goodBehaviour } from './faults.ts';
import * as objects from './objects.ts';
import { type Operation, readRequest } from './operation.ts';
import { ConnectionCut } from './receive.ts';
import { type Credential, verifySignature } from './signature.ts';
import { Store } from './store.ts';
import * as uploads from './uploads.ts';
import { xml } from './xml.ts';

const KEPT_REQUESTS = 10_000;

export interface S3Options {
  /** A temporary one when missing, removed at the end. */
  readonly dir?: string;
  readonly port?: number;
  readonly credentials?: readonly Credential[];
  readonly behaviour?: Partial<Behaviour>;
  /** Buckets to be there from the start. */
  readonly buckets?: readonly { name: string; versioning?: boolean; lock?: boolean }[];
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer };
  readonly now?: () => number;
  /** Lets anybody on this machine read and set faults at `/_control`. */
  readonly control?: boolean;
}

export interface SeenRequest {
  readonly operation: Operation;
  readonly key: string;
  readonly status: number;
}

export const testCredential: Credential = {
  accessKeyId: 'TESTACCESSKEY',
  secretAccessKey: 'test-secret-of-nobody',
};

const handlers: Readonly<Record<Operation, (context: Context) => Answer | Promise<Answer>>> = {
  ListBuckets: buckets.listBuckets,
  CreateBucket: buckets.createBucket,
  HeadBucket: buckets.headBucket,
  DeleteBucket: buckets.deleteBucket,
  GetBucketLocation: buckets.bucketLocation,
  GetBucketVersioning: buckets.getVersioning,
  PutBucketVersioning: buckets.putVersioning,
  GetObjectLockConfiguration: buckets.getLockConfiguration,
  ListObjectsV2: buckets.listObjects,
  ListObjectVersions: buckets.listVersions,
  ListMultipartUploads: uploads.listUploads,
  DeleteObjects: objects.deleteObjects,
  PutObject: objects.putObject,
  GetObject: objects.getObject,
  HeadObject: objects.headObject,
  DeleteObject: objects.deleteObject,
  PutObjectRetention: objects.putRetention,
  GetObjectRetention: objects.getRetention,
  CreateMultipartUpload: uploads.createUpload,
  UploadPart: uploads.uploadPart,
  ListParts: uploads.listParts,
  CompleteMultipartUpload: uploads.completeUpload,
  AbortMultipartUpload: uploads.abortUpload,
};

const storing: readonly Operation[] = ['PutObject', 'CreateMultipartUpload', 'UploadPart'];
const changingBuckets: readonly Operation[] = ['CreateBucket', 'DeleteBucket', 'PutBucketVersioning'];

/** Resolves when it listens, on 127.0.0.1 only. */
export async function startS3(options: S3Options = {}): Promise<S3Server> {
  const server = new S3Server(options);
  await server.listen(options.port ?? 0);
  return server;
}

export class S3Server {
  readonly faults = new Faults();
  readonly behaviour: Behaviour;
  readonly store: Store;
  /** May be changed, as a provider's console would. */
  credentials: readonly Credential[];
  /** The last ones, for tests to look at. */
  readonly requests: SeenRequest[] = [];
  readonly #server: ReturnType<typeof createServer> | ReturnType<typeof createSecureServer>;
  readonly #options: S3Options;
  readonly #temporary: string | null;
  readonly #closing = new AbortController();
  #endpoint = '';

  constructor(options: S3Options) {
    this.#options = options;
    this.#temporary = options.dir === undefined ? mkdtempSync(join(tmpdir(), 'skooly-s3-')) : null;
    this.behaviour = { ...goodBehaviour, ...options.behaviour };
    this.credentials = options.credentials ?? [testCredential];
    this.store = new Store(options.dir ?? (this.#temporary as string));
    for (const { name, versioning = false, lock = false } of options.buckets ?? []) {
      if (this.store.buckets.has(name)) continue;
      this.store.makeBucket(name, this.#now(), { isVersioned: versioning || lock, hasLock: lock });
    }
    const listener = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response).catch(() => response.destroy());
    const { tls } = options;
    this.#server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
    this.#server.keepAliveTimeout = 60_000;
    this.#server.requestTimeout = 0;
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((listening, failed) => {
      this.#server.once('error', failed);
      this.#server.listen(port, '127.0.0.1', listening);
    });
    const scheme = this.#options.tls === undefined ? 'http' : 'https';
    this.#endpoint = `${scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends every connection. The data stays, unless its folder was a temporary one. */
  async close(): Promise<void> {
    this.#closing.abort();
    const closed = new Promise((done) => this.#server.close(done));
    this.#server.closeAllConnections();
    await closed;
    if (this.#temporary !== null) rmSync(this.#temporary, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #now(): number {
    return (this.#options.now ?? Date.now)() + this.behaviour.clockSkewMs;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    response.sendDate = false;
    response.setHeader('date', new Date(this.#now()).toUTCString());
    response.setHeader('x-amz-request-id', this.store.newFile());
    if (this.#options.control && url === '/_control') return await answerControl(this, request, response);
    let seen: { operation: Operation; key: string } | null = null;
    try {
      const known = readRequest(method, url);
      seen = { operation: known.operation, key: known.key };
      const credential = verifySignature(
        { method, url, headers: request.headers },
        this.credentials,
        this.#now(),
      );
      requirePermission(credential, known.operation);
      const fault = this.faults.take(known.operation, known.key);
      await this.#suffer(fault, known.operation);
      const { store, behaviour } = this;
      const context: Context = {
        ...known,
        store,
        credential,
        behaviour,
        fault,
        nowMs: this.#now(),
        request,
        response,
      };
      const answer = await handlers[known.operation](context);
      if (fault.cutAnswer) throw new ConnectionCut('cut instead of an answer');
      this.#note(seen, answer.status ?? 200);
      await send(answer, request, response);
    } catch (error) {
      if (error instanceof ConnectionCut || isGone(error)) {
        request.socket.resetAndDestroy();
        return;
      }
      if (!(error instanceof S3Error)) console.error('the test S3 server failed:', error);
      const refusal = error instanceof S3Error ? error : new S3Error(500, 'InternalError', String(error));
      if (seen !== null) this.#note(seen, refusal.status);
      await refuse(refusal, request, response);
    }
  }

  async #suffer({ latencyMs, hang, refuse: refusal }: Fault, operation: Operation): Promise<void> {
    const { signal } = this.#closing;
    if (latencyMs !== undefined) await sleep(latencyMs, undefined, { signal }).catch(() => undefined);
    if (hang) await new Promise((never) => signal.addEventListener('abort', never, { once: true }));
    if (refusal !== undefined) throw new S3Error(refusal.status, refusal.code, refusal.message);
    if (this.behaviour.full && storing.includes(operation))
      throw new S3Error(
        507,
        'XMinioStorageFull',
        'Storage backend has reached its minimum free drive threshold. Please delete a few objects to proceed.',
      );
  }

  #note(seen: { operation: Operation; key: string }, status: number): void {
    this.requests.push({ ...seen, status });
    if (this.requests.length > KEPT_REQUESTS) this.requests.shift();
  }
}

function requirePermission({ may = 'everything' }: Credential, operation: Operation): void {
  const isRead = /^(Get|Head|List)/.test(operation);
  if (may === 'read' && !isRead) throw accessDenied('These credentials only read');
  if (may !== 'everything' && changingBuckets.includes(operation))
    throw accessDenied('These credentials may not change buckets');
}

async function send(
  { status = 200, headers = {}, body, isWritten }: Answer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (isWritten) return;
  const text = body ?? '';
  response.writeHead(status, {
    ...(request.method !== 'HEAD' && status !== 204 && { 'content-length': Buffer.byteLength(text) }),
    ...(text !== '' && { 'content-type': 'application/xml' }),
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

/** A client that still sends is heard to its end, as far as it goes, so that it reads the answer. */
async function refuse(error: S3Error, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  request.resume();
  const body = xml('Error', { Code: error.code, Message: error.message });
  await send({ status: error.status, body }, request, response);
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'EPIPE';
}
