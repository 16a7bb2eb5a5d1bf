/** Turns whatever the S3 client throws into one of the few errors of this room. */
import { RegionError, type RegionErrorCode } from './errors.ts';

interface ClientError extends Error {
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

/** Words of S3 and of the servers that speak it; what is not here is judged by its status. */
const codesByWord: Readonly<Record<string, RegionErrorCode>> = {
  RequestTimeTooSkewed: 'REGION_CLOCK',
  NoSuchBucket: 'REGION_BUCKET_MISSING',
  NoSuchKey: 'REGION_NOT_FOUND',
  NoSuchVersion: 'REGION_NOT_FOUND',
  NoSuchUpload: 'REGION_NOT_FOUND',
  NotFound: 'REGION_NOT_FOUND',
  QuotaExceeded: 'REGION_FULL',
  InsufficientStorage: 'REGION_FULL',
  XMinioStorageFull: 'REGION_FULL',
  XMinioAdminBucketQuotaExceeded: 'REGION_FULL',
  BadDigest: 'REGION_UNREACHABLE',
  XAmzContentSHA256Mismatch: 'REGION_UNREACHABLE',
  XAmzContentChecksumMismatch: 'REGION_UNREACHABLE',
  IncompleteBody: 'REGION_UNREACHABLE',
  RequestTimeout: 'REGION_UNREACHABLE',
  SlowDown: 'REGION_UNREACHABLE',
};

const FULL_WORDS = /storage cap|quota|insufficient storage/i;

export function judgeError(error: unknown, region: string): RegionError {
  if (error instanceof RegionError) return error;
  const known = error as ClientError;
  const status = known.$metadata?.httpStatusCode;
  const cause = withoutRequest(known);
  if (status === undefined) {
    const word = known.code ?? known.name;
    return new RegionError('REGION_UNREACHABLE', region, `cannot be reached (${word})`, { cause });
  }
  const code = codesByWord[known.name] ?? codeOfStatus(status, known.message);
  return new RegionError(code, region, `answers ${status} (${known.name})`, { cause });
}

/** Whether the region refused because something with this name is there. */
export function isPreconditionFailed(error: unknown): boolean {
  return (error as ClientError).$metadata?.httpStatusCode === 412;
}

function codeOfStatus(status: number, message: string): RegionErrorCode {
  if (status === 507) return 'REGION_FULL';
  if (status === 501) return 'REGION_UNSUITABLE';
  if (status >= 500 || status === 429 || status === 408 || status < 400) return 'REGION_UNREACHABLE';
  if (status === 403 && FULL_WORDS.test(message)) return 'REGION_FULL';
  if (status === 401 || status === 403) return 'REGION_REFUSED';
  return status === 404 ? 'REGION_NOT_FOUND' : 'REGION_UNSUITABLE';
}

/** The client's errors carry the answer with its headers, which belong in no log. */
function withoutRequest(error: ClientError): Error {
  const cause = new Error(error.message, error.cause instanceof Error ? { cause: error.cause } : {});
  cause.name = error.name;
  if (error.stack !== undefined) cause.stack = error.stack;
  const requestId = error.$metadata?.requestId;
  return Object.assign(cause, error.code && { code: error.code }, requestId && { requestId });
}
