/**
 * A batch in, the cursor out: announced to the admission before its body is read, unpacked when its turn has come. Batches that a
 * box sends without waiting for an answer are applied in the order in which their requests began: the next one's body arrives
 * and is decoded meanwhile.
 */
import { decodeBatch, unpackedAhead } from '@skooly-edge/sync-protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Admission, Visit } from '../admission/admission.ts';
import { RelayError } from '../errors.ts';
import type { Ingest } from '../ingest/ingest.ts';
import { type Turn, Turns } from './turns.ts';

/**
 * Call before the hook that authenticates: that takes a time of its own for each request, and the order would be lost.
 *
 * @returns resolves when every earlier request of the same box is over.
 */
export function keepOrderOfPushes(server: FastifyInstance): (request: FastifyRequest) => Promise<void> {
  const turns = new Turns();
  const taken = new WeakMap<FastifyRequest, Turn>();
  server.addHook('onRequest', (request, reply, done) => {
    // One box has one token at a time.
    const turn = turns.take(request.headers.authorization ?? '');
    taken.set(request, turn);
    reply.raw.once('close', () => turn.end());
    if (reply.raw.closed) turn.end();
    done();
  });
  return async (request) => taken.get(request)?.begins;
}

export interface PushRouteOptions {
  inOrder(request: FastifyRequest): Promise<void>;
  ingest: Ingest;
  admission: Admission;
  maxBytes: number;
}

export function addPush(
  server: FastifyInstance,
  { ingest, admission, maxBytes, inOrder }: PushRouteOptions,
): void {
  const visits = new WeakMap<FastifyRequest, Visit>();
  const worked = new WeakSet<FastifyRequest>();
  server.post(
    '/v1/push',
    {
      onRequest: async (request, reply) => {
        const announced = Number(request.headers['content-length'] ?? maxBytes);
        const visit = admission.enter(request.campus, Math.min(announced, maxBytes));
        visits.set(request, visit);
        const leave = () => {
          if (!worked.has(request)) visit.leave();
        };
        // Also when the body does not come whole, or something refuses it on its way.
        reply.raw.once('close', leave);
        if (reply.raw.closed) leave();
      },
      // Before the session is looked at again: what was revoked in the meantime is not worked on.
      preValidation: (request) => visits.get(request)?.turn() ?? Promise.resolve(),
    },
    async (request) => {
      worked.add(request);
      try {
        if (!Buffer.isBuffer(request.body))
          throw new RelayError('REQUEST_INVALID', 'content-type: a batch is sent as application/zstd.');
        const batch = unpackedAhead(await decodeBatch(request.body));
        await inOrder(request);
        return await ingest.push(request.campus, batch);
      } finally {
        visits.get(request)?.leave();
      }
    },
  );
}
