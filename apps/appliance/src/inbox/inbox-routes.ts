/**
 * The inbox in the admin API: `GET /conflicts` lists, `GET /conflicts/:id` shows one, `POST /conflicts/decide` and
 * `POST /conflicts/undo` decide and take back, all of the named entries or none. Works without the cloud.
 *
 * Sentences are in the language of `accept-language`, French or English; codes and their parameters are not.
 */
import {
  type CarriedOut,
  DecisionError,
  type Inbox,
  languageOf,
  withoutErrors,
} from '@skooly-edge/sync-protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import type Type from 'typebox';
import { Value } from 'typebox/value';
import { DecideBody, Entry, FilterQuery, IdParams, Outcome, Page, Refusal, UndoBody } from './schemas.ts';

/** As it is, without turning numbers into text: a value is text, and a number may have lost digits already. */
const validatorCompiler: FastifySchemaCompiler<Type.TSchema> = ({ schema }) => {
  return (body) => {
    const [problem] = Value.Errors(schema, body);
    if (!problem) return { value: body };
    return { error: new Error(`body${problem.instancePath} ${problem.message}`) };
  };
};

const refusals = { '4xx': Refusal, 503: Refusal };

export function addInbox(server: FastifyInstance, inbox: Inbox): void {
  server.get<{ Querystring: Type.Static<typeof FilterQuery> }>(
    '/conflicts',
    { schema: { querystring: FilterQuery, response: { 200: Page, ...refusals } } },
    (request, reply) => answer(request, reply, () => inbox.list(request.query)),
  );

  server.get<{ Params: Type.Static<typeof IdParams> }>(
    '/conflicts/:id',
    { schema: { params: IdParams, response: { 200: Entry, ...refusals } } },
    (request, reply) => answer(request, reply, () => inbox.get(request.params.id)),
  );

  server.post<{ Body: Type.Static<typeof DecideBody> }>(
    '/conflicts/decide',
    { schema: { body: DecideBody, response: { 200: Outcome, ...refusals } }, validatorCompiler },
    (request, reply) => {
      const { dryRun = false, ...asked } = request.body;
      return answer(request, reply, async () => told(await inbox.decide({ ...asked, dryRun })));
    },
  );

  server.post<{ Body: Type.Static<typeof UndoBody> }>(
    '/conflicts/undo',
    { schema: { body: UndoBody, response: { 200: Outcome, ...refusals } }, validatorCompiler },
    (request, reply) => {
      const { dryRun = false, force = false, ...asked } = request.body;
      return answer(request, reply, async () => told(await inbox.undo({ ...asked, dryRun, force })));
    },
  );
}

/** Some entry had a problem: nothing was written. */
class RefusedOutcome extends Error {
  readonly outcome: CarriedOut;
  readonly first: DecisionError;

  constructor(outcome: CarriedOut, first: DecisionError) {
    super(first.message);
    this.outcome = outcome;
    this.first = first;
  }
}

/** @throws RefusedOutcome */
function told(outcome: CarriedOut): object {
  const first = outcome.entries.find(({ problem }) => problem !== null)?.problem;
  if (first) throw new RefusedOutcome(outcome, first);
  return withoutErrors(outcome);
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  work: () => Promise<object>,
): Promise<FastifyReply> {
  reply.header('cache-control', 'no-store');
  const language = languageOf(request.headers['accept-language']);
  const refusal = (error: DecisionError) => ({
    code: error.code,
    params: error.params,
    ...error.in(language),
  });
  try {
    return reply.send(await work());
  } catch (error) {
    if (error instanceof DecisionError) return reply.code(error.status).send(refusal(error));
    if (error instanceof RefusedOutcome) {
      const { first, outcome } = error;
      return reply.code(first.status).send({ ...refusal(first), ...withoutErrors(outcome) });
    }
    request.log.warn({ err: error }, 'the inbox cannot be asked');
    return reply.code(503).send(unavailable[language]);
  }
}

const unavailable = {
  en: {
    code: 'INBOX_UNAVAILABLE',
    message: 'The database of the box cannot be asked now.',
    advice: 'Try again shortly; look at the log of the appliance if it lasts.',
  },
  fr: {
    code: 'INBOX_UNAVAILABLE',
    message: 'La base de données du boîtier ne répond pas pour le moment.',
    advice: "Réessayez dans un instant ; si cela dure, consultez le journal de l'appareil.",
  },
};
