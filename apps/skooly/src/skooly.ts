/**
 * Skooly, the school application: joins its rooms into one fastify server. Building is apart from listening. The same
 * server runs in the cloud and on the box; it knows only the name of its site, and nothing of the sync. It keeps no
 * state of its own: what is in Postgres is all there is. Every write may be sent again, to this site or to the other,
 * and has the effect of one.
 */
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyRequest,
  LogController,
} from 'fastify';
import Type from 'typebox';
import { classRoutes } from './classes/classes.ts';
import type { Database } from './database/database.ts';
import { refusalOf } from './database/refusals.ts';
import { type Language, SkoolyError } from './errors.ts';
import { markRoutes } from './marks/marks.ts';
import { moneyRoutes } from './money/money.ts';
import { servePage } from './page-server.ts';
import { pupilRoutes } from './pupils/pupils.ts';
import { rollCallRoutes } from './roll-call/roll-call.ts';
import type { SkoolyServer, TypeBoxProvider } from './server-types.ts';
import type { SessionKeys } from './session/keys.ts';
import { authenticate, meRoute, sessionRoutes } from './session/session.ts';

export interface SkoolyParts {
  /** `cloud` or a campus id. */
  site: string;
  database: Database;
  keys: SessionKeys;
  now(): number;
  logger?: FastifyBaseLogger;
}

const bodyLimitBytes = 256 * 1024;

export async function buildSkooly(parts: SkoolyParts): Promise<SkoolyServer> {
  const server = Fastify({
    ...(parts.logger && { loggerInstance: parts.logger }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: bodyLimitBytes,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, multipleOfPrecision: 6 } },
  }).withTypeProvider<TypeBoxProvider>();
  server.decorateRequest('user', null);
  server.addHook('onSend', async (_request, reply) => {
    reply.header('skooly-site', parts.site);
  });
  server.setErrorHandler<FastifyError>((error, request, reply) => {
    const refusal = refusalOf(error) ?? ofFastify(error) ?? new SkoolyError('INTERNAL', { cause: error });
    if (refusal.code === 'INTERNAL') request.log.error({ err: error, url: request.url }, 'request failed');
    else if (refusal.status >= 500)
      request.log.warn({ reason: error.message, url: request.url }, 'request put off');
    reply.code(refusal.status).send(refusal.answer(languageOf(request)));
  });
  server.setNotFoundHandler((request, reply) => {
    reply.code(404).send(new SkoolyError('NOT_FOUND').answer(languageOf(request)));
  });
  const health = Type.Object({ status: Type.Literal('ok'), site: Type.String() });
  server.get('/healthz', { schema: { response: { 200: health } } }, async () => {
    await parts.database.query('select 1');
    return { status: 'ok' as const, site: parts.site };
  });
  servePage(server);
  await server.register(async (api: SkoolyServer) => sessionRoutes(api, parts), { prefix: '/api' });
  await server.register(async (api: SkoolyServer) => schoolRoutes(api, parts), { prefix: '/api' });
  return server;
}

function schoolRoutes(api: SkoolyServer, { database, site, keys, now }: SkoolyParts): void {
  authenticate(api, { database, keys, now });
  meRoute(api);
  classRoutes(api, { database });
  pupilRoutes(api, { database });
  rollCallRoutes(api, { database, now });
  markRoutes(api, { database });
  moneyRoutes(api, { database, site, now });
}

/** What fastify itself refused: a body that does not fit its schema, is too large, or is not JSON. */
function ofFastify(error: FastifyError): SkoolyError | undefined {
  const clientFault = error.validation ?? (error.statusCode !== undefined && error.statusCode < 500);
  return clientFault
    ? new SkoolyError('REQUEST_INVALID', { detail: error.message, cause: error })
    : undefined;
}

function languageOf(request: FastifyRequest): Language {
  const asked = /\b(fr|en)\b/i.exec(request.headers['accept-language'] ?? '')?.[1]?.toLowerCase();
  return (asked as Language | undefined) ?? request.user?.language ?? 'fr';
}
