/** Signature version 4, checked as AWS documents it and not as any client implements it. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { accessDenied, notImplemented, S3Error } from './error.ts';

/** As AWS and MinIO: further away in either direction is refused. */
const MAX_SKEW_MS = 15 * 60_000;

export interface Credential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** A host may neither delete versions, nor lift locks, nor change the bucket; a reader only reads. */
  readonly may?: 'everything' | 'host' | 'read';
}

export interface SignedRequest {
  readonly method: string;
  /** As it stands in the request line. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** Whose request it is. The hash of the body is compared by whoever reads the body. */
export function verifySignature(
  request: SignedRequest,
  credentials: readonly Credential[],
  nowMs: number,
): Credential {
  const authorization = request.headers.authorization;
  if (authorization === undefined) throw accessDenied('The request is not signed');
  const parsed =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8}\/[^/]+\/s3\/aws4_request), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (parsed === null) throw new S3Error(400, 'AuthorizationHeaderMalformed');
  const [, accessKeyId, scope, signedHeaders, signature] = parsed as unknown as string[];
  const credential = credentials.find((known) => known.accessKeyId === accessKeyId);
  if (credential === undefined) throw new S3Error(403, 'InvalidAccessKeyId');
  const at = String(request.headers['x-amz-date'] ?? '');
  requireRecent(at, nowMs);
  const names = (signedHeaders as string).split(';');
  requireSigned(names, request.headers);
  const expected = sign(request, { at, scope: scope as string, names, secret: credential.secretAccessKey });
  if (!timingSafeEqual(Buffer.from(expected, 'hex'), Buffer.from(signature as string, 'hex')))
    throw new S3Error(403, 'SignatureDoesNotMatch', 'The signature is not that of this request');
  return credential;
}

function requireRecent(at: string, nowMs: number): void {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(at) ?? [];
  const sentMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(sentMs)) throw accessDenied('x-amz-date is missing');
  if (Math.abs(nowMs - sentMs) > MAX_SKEW_MS)
    throw new S3Error(403, 'RequestTimeTooSkewed', 'The request was signed at another time than now');
}

function requireSigned(names: readonly string[], headers: IncomingHttpHeaders): void {
  const due = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  const unsigned = due.find((name) => !names.includes(name));
  if (unsigned !== undefined) throw accessDenied(`The header ${unsigned} is not signed`);
  const hash = String(headers['x-amz-content-sha256'] ?? '');
  if (hash.startsWith('STREAMING-')) throw notImplemented('A body in signed chunks');
  if (hash !== 'UNSIGNED-PAYLOAD' && !/^[0-9a-f]{64}$/.test(hash))
    throw new S3Error(400, 'XAmzContentSHA256Mismatch', 'x-amz-content-sha256 is not a hash');
}

function sign(
  { method, url, headers }: SignedRequest,
  { at, scope, names, secret }: { at: string; scope: string; names: readonly string[]; secret: string },
): string {
  const [path = '/', query = ''] = url.split(/\?(.*)/s);
  const pairs = [...new URLSearchParams(query.replaceAll('+', '%2B'))]
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .toSorted(([a, x], [b, y]) => order(a, b) || order(x, y));
  const canonical = [
    method,
    decodeURIComponent(path).split('/').map(encoded).join('/'),
    pairs.map(([name, value]) => `${name}=${value}`).join('&'),
    ...names.map(
      (name) =>
        `${name}:${String(headers[name] ?? '')
          .trim()
          .replace(/ +/g, ' ')}`,
    ),
    '',
    names.join(';'),
    String(headers['x-amz-content-sha256']),
  ].join('\n');
  const hash = createHash('sha256').update(canonical).digest('hex');
  const key = scope
    .split('/')
    .reduce<Buffer>((secretSoFar, part) => hmac(secretSoFar, part), Buffer.from(`AWS4${secret}`));
  return hmac(key, ['AWS4-HMAC-SHA256', at, scope, hash].join('\n')).toString('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
