/** What a box asks about schema versions. */
import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import Type from 'typebox';
import { readPublished } from '../migrations/published.ts';
import { sendCompressed } from './compressed.ts';

export function addMigrations(server: FastifyInstance, { pool }: { pool: Pool }): void {
  const querystring = Type.Object({ after: Type.Integer({ minimum: 0, maximum: 999_999 }) });
  server.get<{ Querystring: Type.Static<typeof querystring> }>(
    '/v1/migrations',
    { schema: { querystring } },
    async (request, reply) => sendCompressed(request, reply, await readPublished(pool, request.query.after)),
  );
}
