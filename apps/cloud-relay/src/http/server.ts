/** The relay's HTTP surface: one route per thing that a box may ask, each with a schema, each bound to one campus. */
import { Readable } from 'node:stream';
import type { LiveCatalog } from '@skooly-edge/sync-protocol';
import { type Row, SyncError } from '@skooly-edge/sync-protocol';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import Type from 'typebox';
import type { Admission } from '../admission/admission.ts';
import type { RelayConfig } from '../config/config.ts';
import type { HeldRequests } from '../enrol/held-requests.ts';
import { authenticate, claimedCampus } from '../enrol/session.ts';
import { RelayError } from '../errors.ts';
import { askElectric } from '../feed/electric.ts';
import { feedTrimmedTo, noteFeedRead } from '../feed/feed-retention.ts';
import { type ShapeOptions, serveShape, shapeHandle, shapeOffset } from '../feed/shape.ts';
import { signHealth } from '../health/health.ts';
import type { Ingest } from '../ingest/ingest.ts';
import { postgresParked } from '../ingest/postgres-cloud.ts';
import { readEpoch } from '../restore/epoch.ts';
import type { Salvage } from '../restore/salvage.ts';
import { beginSeed, endSeed, readSeedChunk } from '../seed/seed.ts';
import type { RelayTls } from '../tls/tls.ts';
import { addCertificates } from './certificate-routes.ts';
import { sendCompressed } from './compressed.ts';
import { addEnrol } from './enrol-routes.ts';
import { addMigrations } from './migration-routes.ts';
import { addPush, keepOrderOfPushes } from './push-route.ts';
import { addRestore } from './restore-routes.ts';
import { addResync } from './resync-routes.ts';
import { addSequences } from './sequence-routes.ts';

/** A compressed batch larger than this is refused. */
export const maxPushBytes = 64 * 1024 * 1024;

export interface ServerOptions {
  config: Pick<RelayConfig, 'signingKey' | 'electricUrl'>;
  catalog: LiveCatalog & { refresh(): Promise<unknown> };
  pool: Pool;
  ingest: Ingest;
  admission: Admission;
  salvage: Salvage;
  shape: ShapeOptions;
  held: Pick<HeldRequests, 'hold'>;
  /** Left out: HTTP, and no certificate to vouch for. */
  tls?: Pick<RelayTls, 'serverOptions' | 'certificates'> | null;
  logger: Logger;
  now(): Date;
}

declare module 'fastify' {
  interface FastifyRequest {
    campus: string;
  }
}

export function buildServer(options: ServerOptions): FastifyInstance {
  const https = options.tls?.serverOptions() ?? null;
  const server = Fastify({
    ...(https && { https }),
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxPushBytes,
    keepAliveTimeout: 65_000,
  }) as unknown as FastifyInstance;
  server.decorateRequest('campus', '');
  server.setErrorHandler(answerError);
  server.setNotFoundHandler((_request, reply) =>
    answer(reply, new RelayError('NOT_FOUND', 'There is nothing at this address.')),
  );
  server.addContentTypeParser('application/zstd', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  server.register(async (open) => addHealth(open, options));
  server.register(async (open) => addCertificates(open, options));
  server.register(async (open) => addEnrol(open, options));
  server.register(async (pushing) => {
    const inOrder = keepOrderOfPushes(pushing);
    guard(pushing, options);
    addPush(pushing, { ...options, inOrder, maxBytes: maxPushBytes });
  });
  server.register(async (guarded) => {
    guard(guarded, options);
    addSync(guarded, options);
    addShape(guarded, options);
    addSeed(guarded, options);
    addResync(guarded, {
      pool: options.pool,
      catalog: () => options.catalog.current,
      epoch: () => readEpoch(options.pool),
      now: options.now,
    });
    addMigrations(guarded, options);
    addSequences(guarded, {
      pool: options.pool,
      catalog: options.catalog,
    });
    addRestore(guarded, options.salvage);
  });
  return server;
}

function guard(server: FastifyInstance, { pool }: ServerOptions): void {
  const authenticated = async (request: FastifyRequest) => {
    request.campus = await authenticate(pool, request.headers.authorization);
  };
  server.addHook('onRequest', authenticated);
  // A body may take minutes to arrive; what was revoked meanwhile is not worked on.
  server.addHook('preHandler', async (request) => {
    if (request.method !== 'GET') await authenticated(request);
  });
}

function addHealth(server: FastifyInstance, { config, now }: ServerOptions): void {
  const querystring = Type.Object({ nonce: Type.String({ pattern: '^[0-9a-f]{16,64}$' }) });
  server.get<{ Querystring: Type.Static<typeof querystring> }>(
    '/healthz',
    { schema: { querystring } },
    (request, reply) => {
      reply
        .header('cache-control', 'no-store')
        .send(signHealth(config.signingKey, request.query.nonce, now()));
    },
  );
}

function addSync(server: FastifyInstance, { pool, config }: ServerOptions): void {
  const querystring = Type.Object({
    epoch: Type.String({ minLength: 1, maxLength: 64 }),
    feed: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  });
  /** Where this campus stands: what the cloud has applied of its log, and where its feed is to be read. */
  server.get<{ Querystring: Type.Static<typeof querystring> }>(
    '/v1/sync',
    { schema: { querystring } },
    async (request) => {
      const { campus } = request;
      if (request.query.feed !== undefined) await noteFeedRead(pool, campus, request.query.feed);
      const { rows } = await pool.query<{ epoch: string; seq: string | null }>(
        `SELECT s.epoch, c.seq FROM sync.site s LEFT JOIN sync.cursor c ON c.campus = $1 AND c.epoch = $2`,
        [campus, request.query.epoch],
      );
      const epoch = rows[0]?.epoch ?? '';
      return {
        campus,
        epoch,
        cursor: { epoch: request.query.epoch, seq: Number(rows[0]?.seq ?? 0) },
        parked: await postgresParked(pool).count(campus),
        feed: config.electricUrl ? null : { handle: shapeHandle(epoch, campus), origin: shapeOffset(0) },
        feedAfter: await feedTrimmedTo(pool, campus),
      };
    },
  );
}

function addShape(server: FastifyInstance, { config, shape, held, pool }: ServerOptions): void {
  const querystring = Type.Object({
    table: Type.Literal('sync.feed'),
    offset: Type.String({ maxLength: 64 }),
    handle: Type.Optional(Type.String({ maxLength: 256 })),
    live: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
    cursor: Type.Optional(Type.String({ maxLength: 64 })),
    blocks: Type.Optional(Type.Literal('1')),
  });
  server.get<{ Querystring: Type.Static<typeof querystring> }>(
    '/v1/shape',
    { schema: { querystring } },
    (request, reply) =>
      held.hold(request.campus, async (trustChanged) => {
        const gone = new AbortController();
        request.raw.on('close', () => gone.abort());
        const ended = AbortSignal.any([gone.signal, trustChanged]);
        const { campus, query } = request;
        // Whoever has waited is asked for its session again before it is told anything.
        const stillTrusted = () => authenticate(pool, request.headers.authorization);
        if (config.electricUrl) {
          const asked = askElectric(config.electricUrl, campus, query as Record<string, string>, ended);
          const passed = await asked.finally(stillTrusted);
          reply.code(passed.status).headers(passed.headers);
          await reply.send(passed.body ? Readable.fromWeb(passed.body) : '');
          return reply;
        }
        const { offset, handle, cursor, blocks } = query;
        const served = await serveShape(
          shape,
          { campus, offset, handle, cursor, live: query.live === 'true', blocks: blocks === '1' },
          ended,
        );
        await stillTrusted();
        reply.code(served.status).headers(served.headers);
        return sendCompressed(request, reply, served.messages);
      }),
  );
}

function addSeed(server: FastifyInstance, { pool, catalog }: ServerOptions): void {
  server.post('/v1/seed/begin', async ({ campus }) => ({
    epoch: await readEpoch(pool),
    feedSeq: await beginSeed(pool, campus),
    tables: [...catalog.current.tables.keys()],
  }));

  server.post('/v1/seed/end', async ({ campus }) => ({
    epoch: await readEpoch(pool),
    feedSeq: await endSeed(pool, campus),
  }));

  const querystring = Type.Object({ table: Type.String(), after: Type.Optional(Type.String()) });
  server.get<{ Querystring: Type.Static<typeof querystring> }>(
    '/v1/seed/rows',
    { schema: { querystring } },
    async (request, reply) => {
      const { table, after } = request.query;
      const chunk = await readSeedChunk(
        pool,
        catalog.current,
        request.campus,
        table,
        after === undefined ? null : parseKey(after),
      );
      return sendCompressed(request, reply, chunk);
    },
  );
}

function parseKey(text: string): Row {
  try {
    const key = JSON.parse(text);
    if (key !== null && typeof key === 'object' && !Array.isArray(key)) return key as Row;
  } catch {
    // Falls through to the refusal.
  }
  throw new RelayError('REQUEST_INVALID', 'after: is no key in JSON.');
}

function answerError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const refusal = toRelayError(error);
  if (refusal.status >= 500)
    request.log.error({ err: error, campus: request.campus, url: request.url }, 'request failed');
  else {
    const campus = request.campus || claimedCampus(request.headers.authorization);
    const level = refusal.code === 'RELAY_BUSY' ? 'info' : 'warn';
    request.log[level]({ code: refusal.code, campus, url: request.url }, refusal.message);
  }
  answer(reply, refusal);
}

function answer(reply: FastifyReply, error: RelayError): void {
  const { retryAfterSeconds } = error.details;
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
  reply
    .code(error.status)
    .send({ code: error.code, message: error.message, advice: error.advice, ...error.details });
}

const connectionFailures = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  '57P01',
  '57P02',
  '57P03',
  '08006',
  '08003',
]);

function toRelayError(
  error: Error & { code?: string; validation?: unknown; statusCode?: number },
): RelayError {
  if (error instanceof RelayError) return error;
  if (error instanceof SyncError && (error.code === 'BATCH_MALFORMED' || error.code === 'BATCH_TOO_LARGE')) {
    return new RelayError(error.code, error.message, {}, { cause: error });
  }
  if (error.statusCode === 413)
    return new RelayError('BATCH_TOO_LARGE', `The batch is larger than ${maxPushBytes} bytes.`);
  if (error.validation || (error.statusCode && error.statusCode < 500))
    return new RelayError('REQUEST_INVALID', error.message);
  if (
    connectionFailures.has(error.code ?? '') ||
    /terminated|timeout exceeded|Connection/i.test(error.message)
  ) {
    return new RelayError(
      'DATABASE_UNAVAILABLE',
      'The cloud database does not answer.',
      {},
      { cause: error },
    );
  }
  if (error.code === '22P02' || error.code?.startsWith('22')) {
    return new RelayError('REQUEST_INVALID', error.message, {}, { cause: error });
  }
  return new RelayError('INTERNAL', 'The relay failed.', {}, { cause: error });
}
