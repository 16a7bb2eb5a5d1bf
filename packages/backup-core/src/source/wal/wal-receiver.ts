/**
 * The door for archive_command, on the loopback interface: `POST /here/<file>` names the place where the file lies, `POST /wal/<file>`
 * has its bytes as the body. 200 means that the file is safe on this disk, and carries the word by which the asker knows the
 * daemon; 411, for the first, that its bytes are to be sent; anything else means that Postgres is to keep it and ask again. It
 * streams: no file is held in memory.
 */
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import Fastify, { type FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { ArchiveWords } from './archive-access.ts';
import { WalError } from './errors.ts';
import type { WalInbox } from './wal-inbox.ts';

/** The largest segment that Postgres can be made with. */
const maxBytes = 1024 * 1024 * 1024;
const requestTimeoutMs = 120_000;

const Params = Type.Object({ file: Type.String({ maxLength: 80 }) });
/** When the file was last written, seconds since 1970-01-01 with a fraction. */
const modifiedField = { 'x-modified': Type.String({ pattern: '^[0-9]{1,11}(\\.[0-9]{1,9})?$' }) };
const Headers = Type.Object({
  'content-length': Type.String({ pattern: '^[0-9]{1,10}$' }),
  ...modifiedField,
});
const PlaceHeaders = Type.Object({
  'x-bytes': Type.String({ pattern: '^[0-9]{1,10}$' }),
  'x-inode': Type.String({ pattern: '^[0-9]{1,20}$' }),
  'x-path': Type.String({ pattern: '^/', maxLength: 4096 }),
});

export interface WalReceiverOptions {
  readonly inbox: Pick<WalInbox, 'take' | 'takeInPlace'>;
  readonly words: ArchiveWords;
  readonly now: () => number;
  /** Told of each refusal, as the operator may have to act. */
  readonly onRefused?: (file: string, error: unknown) => void;
}

export function buildWalReceiver({ inbox, words, now, onRefused }: WalReceiverOptions): FastifyInstance {
  const server = Fastify({
    bodyLimit: maxBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));
  server.addHook('onRequest', async (request) => {
    if (!words.isAsked(request.headers.authorization))
      throw new WalError('WAL_REFUSED', 'Who asks does not know the word of the access file.');
  });
  const when = (modified: string) => new Date(Math.min(Math.floor(Number(modified) * 1000), now()));
  server.post<{ Params: Static<typeof Params>; Headers: Static<typeof PlaceHeaders> }>(
    '/here/:file',
    { schema: { params: Params, headers: PlaceHeaders } },
    async (request, reply) => {
      const { file } = request.params;
      const { 'x-path': path, 'x-inode': inode } = request.headers;
      const bytes = Number(request.headers['x-bytes']);
      const place = { path: Buffer.from(path, 'latin1'), bytes, inode: BigInt(inode) };
      if (!(await inbox.takeInPlace(file, place)))
        return reply.code(411).header('connection', 'close').send();
      return reply.header('x-safe', words.safe(file, bytes)).send();
    },
  );
  server.post<{ Params: Static<typeof Params>; Headers: Static<typeof Headers>; Body: Readable }>(
    '/wal/:file',
    { schema: { params: Params, headers: Headers } },
    async (request, reply) => {
      const { file } = request.params;
      const bytes = Number(request.headers['content-length']);
      const modified = when(request.headers['x-modified']);
      await inbox.take(file, request.body, { bytes, modified });
      return reply.header('x-safe', words.safe(file, bytes)).send();
    },
  );
  server.setErrorHandler((error: Error & { statusCode?: number; code?: string }, request, reply) => {
    onRefused?.((request.params as { file?: string }).file ?? '', error);
    return reply
      .code(error.statusCode ?? 500)
      .header('connection', 'close')
      .send({ code: error.code ?? 'FAILED', message: error.message });
  });
  return server;
}

/** @returns the port of the loopback interface; the one asked for, or a free one for 0. */
export async function listenForWal(server: FastifyInstance, port: number): Promise<number> {
  await server.listen({ host: '127.0.0.1', port });
  return (server.server.address() as AddressInfo).port;
}
