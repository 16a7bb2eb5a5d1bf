/** Object Lock: what may be asked for, and what it forbids. */
import type { IncomingHttpHeaders } from 'node:http';
import { accessDenied, invalidRequest, S3Error } from './error.ts';
import type { Credential } from './signature.ts';
import type { Bucket, Lock, Version } from './store.ts';
import { find, xml } from './xml.ts';

/** Of a new object or upload; null when none is asked for. */
export function lockAskedFor(bucket: Bucket, headers: IncomingHttpHeaders, nowMs: number): Lock | null {
  const mode = headers['x-amz-object-lock-mode'];
  const until = headers['x-amz-object-lock-retain-until-date'];
  if (headers['x-amz-object-lock-legal-hold'] !== undefined)
    throw new S3Error(501, 'NotImplemented', 'Legal hold is not implemented');
  if (mode === undefined && until === undefined) return null;
  if (!bucket.hasLock) throw invalidRequest('Bucket is missing Object Lock Configuration');
  if (mode === undefined || until === undefined)
    throw new S3Error(400, 'InvalidArgument', 'A lock needs a mode and a date');
  return checked(String(mode), String(until), nowMs);
}

/** As AWS: whatever is stored in a bucket with lock brings a checksum of its own. */
export function requireChecksum(bucket: Bucket, headers: IncomingHttpHeaders): void {
  const hasOne = Object.keys(headers).some(
    (name) => name === 'content-md5' || /^x-amz-checksum-(sha256|sha1|crc)/.test(name),
  );
  if (bucket.hasLock && !hasOne)
    throw invalidRequest(
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
    );
}

/** PutObjectRetention: longer for everybody, shorter for nobody who may not. */
export function changedLock(
  version: Version,
  body: string,
  context: { headers: IncomingHttpHeaders; credential: Credential; nowMs: number },
): Lock {
  const { headers, credential, nowMs } = context;
  const wanted = checked(find(body, 'Mode') ?? '', find(body, 'RetainUntilDate') ?? '', nowMs);
  const { lock } = version;
  if (lock === null || lock.untilMs <= nowMs) return wanted;
  const isWeaker = wanted.untilMs < lock.untilMs || (lock.mode === 'COMPLIANCE' && wanted.mode !== lock.mode);
  if (isWeaker && !mayLift(lock, headers, credential)) throw accessDenied('The object is locked for longer');
  return wanted;
}

export function requireUnlocked(
  { lock }: Version,
  context: { headers: IncomingHttpHeaders; credential: Credential; nowMs: number },
): void {
  const isLocked = lock !== null && lock.untilMs > context.nowMs;
  if (isLocked && !mayLift(lock, context.headers, context.credential))
    throw accessDenied('Object is WORM protected and cannot be overwritten');
}

export function retentionXml(lock: Lock): string {
  return xml('Retention', { Mode: lock.mode, RetainUntilDate: new Date(lock.untilMs).toISOString() });
}

export function lockHeaders({ lock }: Version): Record<string, string> {
  if (lock === null) return {};
  return {
    'x-amz-object-lock-mode': lock.mode,
    'x-amz-object-lock-retain-until-date': new Date(lock.untilMs).toISOString(),
  };
}

function mayLift(lock: Lock, headers: IncomingHttpHeaders, { may = 'everything' }: Credential): boolean {
  const asks = headers['x-amz-bypass-governance-retention'] === 'true';
  return lock.mode === 'GOVERNANCE' && asks && may === 'everything';
}

function checked(mode: string, until: string, nowMs: number): Lock {
  const untilMs = Date.parse(until);
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') throw new S3Error(400, 'MalformedXML', `Mode ${mode}`);
  if (Number.isNaN(untilMs) || untilMs <= nowMs)
    throw new S3Error(400, 'InvalidArgument', 'The retain until date must be in the future!');
  return { mode, untilMs };
}
