/**
 * Stands in for a real Electric, which no package registry carries: the same HTTP protocol over the same table, asked with
 * `table`, `where` and `params` as the gatekeeper asks, and without any authentication of its own.
 */
import { sessionConfig } from '@skooly-edge/sync-protocol';
import Fastify from 'fastify';
import { Pool } from 'pg';
import { pino } from 'pino';
import { FeedSignals } from '../../apps/cloud-relay/src/feed/feed-signals.ts';
import { serveShape } from '../../apps/cloud-relay/src/feed/shape.ts';

export interface StandInElectric {
  url: URL;
  /** The query of every request so far. */
  asked: Record<string, string>[];
  close(): Promise<void>;
}

export async function startElectric(databaseUrl: string): Promise<StandInElectric> {
  const pool = new Pool(sessionConfig(databaseUrl, { applicationName: 'electric stand-in' }));
  const signals = new FeedSignals(databaseUrl, pino({ level: 'silent' }));
  const stop = new AbortController();
  const listening = signals.run(stop.signal);
  const asked: Record<string, string>[] = [];
  const server = Fastify();
  server.get<{ Querystring: Record<string, string> }>('/v1/shape', async ({ query, raw }, reply) => {
    asked.push(query);
    const gone = new AbortController();
    raw.on('close', () => gone.abort());
    const request = {
      campus: query['params[1]'] as string,
      offset: query.offset as string,
      handle: query.handle,
      cursor: query.cursor,
      live: query.live === 'true',
      blocks: false,
    };
    const shape = { pool, epoch: 'electric', signals, ready: null, liveHoldMs: 2_000 };
    const answer = await serveShape(shape, request, gone.signal);
    return reply.code(answer.status).headers(answer.headers).send(answer.messages);
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.server.address() as { port: number };
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    asked,
    async close() {
      stop.abort();
      server.server.closeAllConnections();
      await server.close();
      await listening;
      await pool.end();
    },
  };
}
