/**
 * The admin API of the box: what the console and the command line ask. Building is apart from listening. It only reads;
 * it keeps nothing, and says 503 with a sentence while a part of the box cannot be asked.
 */
import type { Inbox } from '@skooly-edge/sync-protocol';
import Fastify, { type FastifyError, type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import Type from 'typebox';
import { addInbox } from '../inbox/inbox-routes.ts';
import { type AdoptControl, addAdopt } from './adopt-routes.ts';
import { addResync, type ResyncControl } from './resync-routes.ts';
import { type Status, StatusSchema } from './status.ts';

export interface AdminParts {
  readStatus(): Promise<Status>;
  logger?: Logger;
  resync?: ResyncControl;
  inbox?: Inbox;
  adopt?: AdoptControl;
}

const Health = Type.Object({ status: Type.Literal('ok') });
const Refusal = Type.Object({ code: Type.String(), message: Type.String(), advice: Type.String() });

const refusals = {
  NOT_FOUND: {
    message: 'The admin API has nothing at this address.',
    advice: 'Ask for /status or /healthz.',
  },
  REQUEST_INVALID: {
    message: 'The request does not fit.',
    advice: 'Correct the field that is named.',
  },
  FAILED: {
    message: 'The request failed.',
    advice: "Look at the appliance's log for the cause.",
  },
  STATUS_UNREADABLE: {
    message: 'A part of the box cannot be asked for its status.',
    advice: "Look at the appliance's log; the answer comes by itself once that part works again.",
  },
} as const;

const refusal = (code: keyof typeof refusals) => ({ code, ...refusals[code] });

export function buildAdmin({ readStatus, logger, resync, inbox, adopt }: AdminParts): FastifyInstance {
  const server = Fastify({
    ...(logger && { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true }),
  }) as unknown as FastifyInstance;
  server.get('/healthz', { schema: { response: { 200: Health } } }, async () => ({ status: 'ok' }));
  server.get(
    '/status',
    { schema: { response: { 200: StatusSchema, 503: Refusal } } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      try {
        return await readStatus();
      } catch (error) {
        request.log.warn({ err: error }, 'status cannot be read');
        return reply.code(503).send(refusal('STATUS_UNREADABLE'));
      }
    },
  );
  if (resync) addResync(server, resync);
  if (inbox) addInbox(server, inbox);
  if (adopt) addAdopt(server, adopt);
  server.setErrorHandler<FastifyError>((error, request, reply) => {
    if (error.validation) {
      const { advice } = refusals.REQUEST_INVALID;
      return reply.code(400).send({ code: 'REQUEST_INVALID', message: `${error.message}.`, advice });
    }
    request.log.warn({ err: error }, 'a request failed');
    return reply.code(error.statusCode ?? 500).send({ ...refusal('FAILED'), message: `${error.message}.` });
  });
  server.setNotFoundHandler((_request, reply) => reply.code(404).send(refusal('NOT_FOUND')));
  return server;
}
