/** JSON answers, compressed in the best way that the asker takes: every byte counts on the way to a campus. */
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';

const methods = { zstd: promisify(zstdCompress), gzip: promisify(gzip) };

/** Smaller answers are not worth it. */
const minBytes = 512;

export async function sendCompressed(
  request: FastifyRequest,
  reply: FastifyReply,
  json: unknown,
): Promise<FastifyReply> {
  const body = Buffer.from(JSON.stringify(json));
  reply.header('content-type', 'application/json; charset=utf-8').header('vary', 'accept-encoding');
  const accepted = request.headers['accept-encoding'] ?? '';
  const method = accepted.includes('zstd') ? 'zstd' : accepted.includes('gzip') ? 'gzip' : null;
  if (!method || body.length < minBytes) return reply.send(body);
  return reply.header('content-encoding', method).send(await methods[method](body));
}
