/**
 * The resync in the admin API: `POST /resync` starts one or attaches to the one under way, `GET /resync` tells how far it
 * is, `DELETE /resync` cancels it, `GET /resync/plan` compares and tells what a run would do, which may take a while.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import Type from 'typebox';
import { ResyncError } from '../resync/errors.ts';
import { maxChosenKeys, PlanSchema, ReportSchema, RequestSchema } from '../resync/report.ts';
import type { Resync } from '../resync/resync.ts';

export type ResyncControl = Pick<Resync, 'start' | 'cancel' | 'plan' | 'report'>;

const Refusal = Type.Object({ code: Type.String(), message: Type.String(), advice: Type.String() });
const PlanQuery = Type.Object({
  mode: Type.Optional(RequestSchema.properties.mode),
  table: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  key: Type.Optional(
    Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: maxChosenKeys })], {
      description: 'JSON of a primary key; may be given more than once',
    }),
  ),
});

export function addResync(server: FastifyInstance, resync: ResyncControl): void {
  server.get('/resync', { schema: { response: { 200: ReportSchema, 404: Refusal } } }, (_request, reply) =>
    send(reply, resync.report),
  );

  server.post<{ Body: Type.Static<typeof RequestSchema> }>(
    '/resync',
    { schema: { body: RequestSchema, response: { 202: ReportSchema, '4xx': Refusal, 503: Refusal } } },
    (request, reply) => refusing(reply, async () => reply.code(202).send(await resync.start(request.body))),
  );

  server.delete('/resync', { schema: { response: { 200: ReportSchema, 404: Refusal } } }, (_request, reply) =>
    send(reply, resync.cancel()),
  );

  server.get<{ Querystring: Type.Static<typeof PlanQuery> }>(
    '/resync/plan',
    { schema: { querystring: PlanQuery, response: { 200: PlanSchema, '4xx': Refusal, 503: Refusal } } },
    (request, reply) => {
      const gone = new AbortController();
      request.raw.on('close', () => gone.abort(new Error('nobody waits for the plan any more')));
      const { mode = 'policy', table = null, key } = request.query;
      return refusing(reply, async () =>
        reply.send(await resync.plan({ table, keys: parseKeys(key) }, mode, gone.signal)),
      );
    },
  );
}

function send(reply: FastifyReply, report: object | null): FastifyReply {
  reply.header('cache-control', 'no-store');
  if (report) return reply.send(report);
  return reply.code(404).send({
    code: 'RESYNC_NONE',
    message: 'There is no resync to speak of.',
    advice: 'Start one with `skooly-edge resync`.',
  });
}

async function refusing(reply: FastifyReply, answer: () => Promise<FastifyReply>): Promise<FastifyReply> {
  reply.header('cache-control', 'no-store');
  try {
    return await answer();
  } catch (error) {
    if (error instanceof ResyncError) {
      const { code, message, advice } = error;
      return reply.code(code === 'RESYNC_RUNNING' ? 409 : 400).send({ code, message, advice });
    }
    reply.request.log.warn({ err: error }, 'a resync could not be begun');
    return reply.code(503).send({
      code: 'RESYNC_UNAVAILABLE',
      message: `The box cannot compare itself with the cloud now: ${(error as Error).message}.`,
      advice: 'Look at the link and at `skooly-edge status`, then try again.',
    });
  }
}

/** @throws ResyncError RESYNC_KEY_INVALID */
function parseKeys(given: string | string[] | undefined): Record<string, string>[] | null {
  if (given === undefined) return null;
  return [given].flat().map((text) => {
    try {
      const key = JSON.parse(text) as Record<string, unknown>;
      if (key && typeof key === 'object' && Object.values(key).every((value) => typeof value === 'string'))
        return key as Record<string, string>;
    } catch {
      // Falls through to the refusal.
    }
    throw new ResyncError('RESYNC_KEY_INVALID', `${text} is no key in JSON with its values as text.`);
  });
}
