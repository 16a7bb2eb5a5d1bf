/** A batch in, the cursor out: announced to the admission before its body is read, unpacked when its turn has come. */
import { decodeBatch } from '@skooly-edge/sync-protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Admission, Visit } from '../admission/admission.ts';
import { RelayError } from '../errors.ts';
import type { Ingest } from '../ingest/ingest.ts';

export interface PushRouteOptions {
  ingest: Ingest;
  admission: Admission;
  maxBytes: number;
}

export function addPush(server: FastifyInstance, { ingest, admission, maxBytes }: PushRouteOptions): void {
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
        return await ingest.push(request.campus, await decodeBatch(request.body));
      } finally {
        visits.get(request)?.leave();
      }
    },
  );
}
