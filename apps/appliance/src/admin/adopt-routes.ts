/** Taking in the log of a box that died. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { Adopted } from '../adopt/adopt.ts';

export interface AdoptControl {
  adopt(path: string): Promise<Adopted>;
}

const Answer = Type.Object({ epoch: Type.String(), pushed: Type.Integer(), lastSeq: Type.Integer() });
const Refusal = Type.Object({ code: Type.String(), message: Type.String(), advice: Type.String() });

export function addAdopt(server: FastifyInstance, control: AdoptControl): void {
  const body = Type.Object({ path: Type.String({ minLength: 1, maxLength: 4096 }) });
  server.post<{ Body: Type.Static<typeof body> }>(
    '/adopt',
    { schema: { body, response: { 200: Answer, 409: Refusal } } },
    async (request, reply) => {
      try {
        return await control.adopt(request.body.path);
      } catch (error) {
        const {
          code = 'ADOPT_FAILED',
          message,
          advice = 'Try again when the cloud can be reached.',
        } = error as Error & { code?: string; advice?: string };
        request.log.warn({ err: error }, 'the log was not taken in');
        return reply.code(409).send({ code, message, advice });
      }
    },
  );
}
