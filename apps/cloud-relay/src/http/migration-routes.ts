/** What a box asks about schema versions. */
import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import Type from 'typebox';
import { readPublished } from '../migrations/published.ts';
import { sendCompressed } from './compressed.ts';

export interface MigrationRoutes {
  pool: Pool;
  catalog: { refresh(): Promise<unknown> };
}

export function addMigrations(server: FastifyInstance, { pool, catalog }: MigrationRoutes): void {
  const querystring = Type.Object({ after: Type.Integer({ minimum: 0, maximum: 999_999 }) });
  server.get<{ Querystring: Type.Static<typeof querystring> }>(
    '/v1/migrations',
    { schema: { querystring } },
    async (request, reply) => {
      const published = await readPublished(pool, request.query.after);
      // A box that has migrated writes new columns at once: this relay must know them by then.
      if (published.migrations.length > 0) await catalog.refresh();
      return sendCompressed(request, reply, published);
    },
  );
}
