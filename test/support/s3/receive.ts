/** Takes in a request's body, compares it with every checksum that came with it, and suffers what faults ask for. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { S3Error } from './error.ts';
import type { Behaviour, Fault } from './faults.ts';

export interface Received {
  readonly bytes: number;
  /** Hex. */
  readonly md5: string;
  readonly sha256: string;
  readonly crc32: number;
}

/** The connection was reset on purpose: nobody is there to be answered. */
export class ConnectionCut extends Error {}

const MOST_BYTES_IN_MEMORY = 4 * 1024 * 1024;

/** Into a file. It is the caller's to remove when this rejects. */
export async function receiveInto(
  path: string,
  request: IncomingMessage,
  behaviour: Behaviour,
  fault: Fault,
): Promise<Received> {
  const length = request.headers['content-length'];
  if (length === undefined) throw new S3Error(411, 'MissingContentLength');
  const file = createWriteStream(path, { highWaterMark: 1024 * 1024 });
  const received = await receive(request, fault, async (chunk) => {
    if (!file.write(chunk)) await once(file, 'drain');
  }).finally(() => file.end());
  await finished(file);
  if (received.bytes !== Number(length)) throw new S3Error(400, 'IncompleteBody');
  compare(request, received, behaviour);
  return received;
}

/** A small one, as text. */
export async function receiveText(
  request: IncomingMessage,
  behaviour: Behaviour,
  fault: Fault,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const received = await receive(request, fault, async (chunk) => {
    bytes += chunk.length;
    if (bytes > MOST_BYTES_IN_MEMORY) throw new S3Error(400, 'EntityTooLarge');
    chunks.push(chunk);
  });
  const body = Buffer.concat(chunks);
  compare(request, received, behaviour);
  return body.toString('utf8');
}

async function receive(
  request: IncomingMessage,
  fault: Fault,
  take: (chunk: Buffer) => Promise<void>,
): Promise<Received> {
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  let bytes = 0;
  let crc = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (fault.cutAfterBytes !== undefined && bytes > fault.cutAfterBytes) {
      request.socket.resetAndDestroy();
      throw new ConnectionCut('cut in the middle of a body');
    }
    md5.update(chunk);
    sha256.update(chunk);
    crc = crc32(chunk, crc);
    await take(chunk);
    if (fault.bytesPerSecond !== undefined) await sleep((chunk.length / fault.bytesPerSecond) * 1000);
  }
  return { bytes, md5: md5.digest('hex'), sha256: sha256.digest('hex'), crc32: crc };
}

function compare({ headers }: IncomingMessage, received: Received, behaviour: Behaviour): void {
  const signed = headers['x-amz-content-sha256'];
  if (signed !== 'UNSIGNED-PAYLOAD' && signed !== received.sha256)
    throw new S3Error(400, 'XAmzContentSHA256Mismatch', 'The body is not the one that was signed');
  if (behaviour.ignoreChecksums === 'all') return;
  const md5 = headers['content-md5'];
  if (md5 !== undefined && md5 !== base64(received.md5)) throw badDigest('Content-MD5');
  const sha256 = headers['x-amz-checksum-sha256'];
  if (sha256 !== undefined && sha256 !== base64(received.sha256) && behaviour.ignoreChecksums === 'none')
    throw badDigest('SHA256');
  const crc = headers['x-amz-checksum-crc32'];
  if (crc === undefined) return;
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(received.crc32);
  if (crc !== sum.toString('base64')) throw badDigest('CRC32');
}

function badDigest(which: string): S3Error {
  return new S3Error(400, 'BadDigest', `The ${which} you specified did not match the calculated checksum.`);
}

export function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}
