/** Where a box asks for numbers of its own. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { allotToCampus, type SequenceOptions } from '../sequences/sequences.ts';

/** A schema with more sequences than this asks in several requests. */
const maxSequences = 200;

const Number_ = Type.Union([Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), Type.Null()]);
const Body = Type.Object({
  epoch: Type.String({ minLength: 1, maxLength: 64 }),
  sequences: Type.Array(
    Type.Object({ name: Type.String({ minLength: 3, maxLength: 130 }), used: Number_, first: Number_ }),
    { maxItems: maxSequences },
  ),
});

export function addSequences(server: FastifyInstance, options: SequenceOptions): void {
  server.post<{ Body: Type.Static<typeof Body> }>(
    '/v1/sequences',
    { schema: { body: Body } },
    ({ campus, body }) => allotToCampus(options, campus, body.epoch, body.sequences),
  );
}
