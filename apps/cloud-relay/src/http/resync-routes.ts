/** The routes by which a box compares its rows with the cloud's and has them corrected; each bound to the asking campus. */
import {
  type Catalog,
  CorrectRequest,
  DigestQuestion,
  HistoryQuestion,
  KeysQuestion,
  ListQuestion,
  type MarkAnswer,
  maxQuestionBytes,
} from '@skooly-edge/sync-protocol';
import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { correctRows } from '../resync/correct.ts';
import {
  answerDigest,
  answerHistory,
  answerList,
  answerRows,
  answerVersions,
  describeTables,
  type ResyncContext,
} from '../resync/resync.ts';
import { endSeed } from '../seed/seed.ts';
import { sendCompressed } from './compressed.ts';

export interface ResyncRoutes {
  pool: Pool;
  catalog(): Catalog;
  /** The cloud's epoch. */
  epoch(): Promise<string>;
  now(): Date;
}

export function addResync(server: FastifyInstance, { pool, catalog, epoch, now }: ResyncRoutes): void {
  const of = ({ campus }: { campus: string }): ResyncContext => ({ pool, catalog: catalog(), campus });
  const question = (body: object) => ({ schema: { body }, bodyLimit: maxQuestionBytes });

  server.post('/v1/resync/tables', async (request, reply) =>
    sendCompressed(request, reply, describeTables(of(request))),
  );
  server.post<{ Body: DigestQuestion }>(
    '/v1/resync/digest',
    question(DigestQuestion),
    async (request, reply) => sendCompressed(request, reply, await answerDigest(of(request), request.body)),
  );
  server.post<{ Body: ListQuestion }>('/v1/resync/list', question(ListQuestion), async (request, reply) =>
    sendCompressed(request, reply, await answerList(of(request), request.body)),
  );
  server.post<{ Body: KeysQuestion }>('/v1/resync/versions', question(KeysQuestion), async (request, reply) =>
    sendCompressed(request, reply, await answerVersions(of(request), request.body)),
  );
  server.post<{ Body: KeysQuestion }>('/v1/resync/rows', question(KeysQuestion), async (request, reply) =>
    sendCompressed(request, reply, await answerRows(of(request), request.body)),
  );
  server.post<{ Body: HistoryQuestion }>(
    '/v1/resync/history',
    question(HistoryQuestion),
    async (request, reply) => sendCompressed(request, reply, await answerHistory(of(request), request.body)),
  );
  server.post<{ Body: CorrectRequest }>('/v1/resync/correct', question(CorrectRequest), async (request) => ({
    corrected: await correctRows(of(request), request.body, now()),
  }));
  server.post(
    '/v1/resync/mark',
    async ({ campus }): Promise<MarkAnswer> => ({
      epoch: await epoch(),
      feedSeq: await endSeed(pool, campus),
    }),
  );
}
