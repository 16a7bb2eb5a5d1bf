/** Where a box that cannot trust its clock asks which certificates are the cloud's. Open to anyone: what it says is public. */
import type { KeyObject } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { RelayError } from '../errors.ts';
import type { RelayTls } from '../tls/tls.ts';
import { vouchFor } from '../tls/vouch.ts';

export interface CertificateRouteOptions {
  config: { signingKey: KeyObject };
  /** Left out: it knows of no certificate. */
  tls?: Pick<RelayTls, 'certificates'> | null;
  now(): Date;
}

const querystring = Type.Object({ nonce: Type.String({ pattern: '^[0-9a-f]{16,64}$' }) });

export function addCertificates(
  server: FastifyInstance,
  { config, tls, now }: CertificateRouteOptions,
): void {
  server.get<{ Querystring: Type.Static<typeof querystring> }>(
    '/v1/certificates',
    { schema: { querystring } },
    ({ query, raw }, reply) => {
      const certificates = tls?.certificates(raw.socket) ?? [];
      if (certificates.length === 0)
        throw new RelayError('NOT_FOUND', 'This relay knows of no certificate that is its own.');
      reply
        .header('cache-control', 'no-store')
        .send(vouchFor(config.signingKey, query.nonce, now(), certificates));
    },
  );
}
