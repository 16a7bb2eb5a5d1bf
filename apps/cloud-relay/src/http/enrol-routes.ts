/** What a box may ask before it has a session: to be enrolled, a challenge, and a session for its signature. */
import { fingerprintPattern, publicKeyPattern } from '@skooly-edge/sync-protocol';
import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import Type from 'typebox';
import { askToEnrol } from '../enrol/enrol.ts';
import { makeChallenge, openSession } from '../enrol/session.ts';

/** Nobody who is not authenticated is read more of. */
const maxBodyBytes = 4_096;

const campus = Type.String({ pattern: '^[a-z][a-z0-9-]{1,31}$' });
const fingerprint = Type.String({ pattern: fingerprintPattern });
const signature = Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' });

const EnrolBody = Type.Object({
  campus,
  code: Type.String({ maxLength: 64 }),
  publicKey: Type.String({ pattern: publicKeyPattern }),
  signature,
});
const ChallengeBody = Type.Object({ campus, fingerprint });
const SessionBody = Type.Object({
  campus,
  fingerprint,
  challenge: Type.String({ maxLength: 128 }),
  signature,
});

export function addEnrol(server: FastifyInstance, { pool }: { pool: Pool }): void {
  server.addHook('preHandler', async (request) => {
    // For the log alone.
    request.campus = (request.body as { campus: string }).campus;
  });
  const asking = (body: object) => ({ schema: { body }, bodyLimit: maxBodyBytes });

  server.post<{ Body: Type.Static<typeof EnrolBody> }>('/v1/enrol', asking(EnrolBody), async ({ body }) => {
    const client = await pool.connect();
    try {
      return await askToEnrol(client, body);
    } finally {
      client.release();
    }
  });
  server.post<{ Body: Type.Static<typeof ChallengeBody> }>(
    '/v1/session/challenge',
    asking(ChallengeBody),
    ({ body }) => makeChallenge(pool, body),
  );
  server.post<{ Body: Type.Static<typeof SessionBody> }>('/v1/session', asking(SessionBody), ({ body }) =>
    openSession(pool, body),
  );
}
