/**
 * Asks an endpoint what it does by doing it, with two small objects: wrong checksums, a second object of one name, a lock on
 * each way of sending. Answers are not believed where something can be read back. Neither object is of use afterwards; they
 * are hidden, and locked for some minutes at most.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandOutput,
  DeleteObjectCommand,
  ListPartsCommand,
  type ListPartsCommandOutput,
  PutObjectCommand,
  type PutObjectCommandOutput,
  PutObjectRetentionCommand,
  UploadPartCommand,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3';
import type { Abilities } from './abilities.ts';
import { isRegionError, type RegionError } from './errors.ts';
import { type LockMode, retention, unquoted } from './hold.ts';
import { base64, type S3Calls } from './s3-calls.ts';

const LOCK_MS = 10 * 60_000;

export interface ProbeOptions {
  readonly prefix: string;
  readonly lockMode: LockMode;
  readonly now: () => number;
  readonly signal: AbortSignal | undefined;
}

interface Probe extends ProbeOptions {
  readonly calls: S3Calls;
  readonly body: Buffer;
  readonly md5: string;
  readonly sha256: string;
  /** A lock's end, by the region's clock. */
  readonly lockUntil: Date;
}

/** @throws RegionError when the region cannot be asked: what it cannot do is no error. */
export async function probe(calls: S3Calls, options: ProbeOptions): Promise<Abilities> {
  const body = randomBytes(1024);
  const clockSkewMs = await calls.clockSkewMs(options.now, options.signal);
  const its: Probe = {
    ...options,
    calls,
    body,
    md5: createHash('md5').update(body).digest('hex'),
    sha256: createHash('sha256').update(body).digest('hex'),
    lockUntil: new Date(options.now() + clockSkewMs + LOCK_MS),
  };
  const name = `${options.prefix}probe/${randomBytes(8).toString('hex')}`;
  const checksum = await comparedChecksum(its, `${name}-whole`);
  const whole = await probeWhole(its, `${name}-whole`);
  const parts = await probeParts(its, `${name}-parts`, checksum);
  return {
    probedAt: new Date(options.now()).toISOString(),
    ...whole,
    ...parts,
    checksum,
    etagIsMd5: whole.etagIsMd5 && parts.etagIsMd5,
    clockSkewMs,
  };
}

async function comparedChecksum(its: Probe, name: string): Promise<Abilities['checksum']> {
  const wrong = createHash('sha256').update('other bytes').digest('hex');
  const wrongMd5 = createHash('md5').update('other bytes').digest('hex');
  if (!(await takes(its, () => putProbe(its, name, { ChecksumSHA256: base64(wrong) })))) {
    if (await takes(its, () => putProbe(its, name, { ChecksumSHA256: base64(its.sha256) }))) return 'sha256';
  }
  return (await takes(its, () => putProbe(its, name, { ContentMD5: base64(wrongMd5) }))) ? 'none' : 'md5';
}

async function probeWhole(its: Probe, name: string) {
  const plain = await putProbe(its, name, { ContentMD5: base64(its.md5) });
  const second = () => putProbe(its, name, { ContentMD5: base64(its.md5), IfNoneMatch: '*' });
  return {
    versioning: (plain.VersionId ?? 'null') !== 'null',
    etagIsMd5: unquoted(plain.ETag) === its.md5,
    ifNoneMatch: !(await takes(its, second)),
    lock: await probeLock(its, name, async () => {
      const locked = { ObjectLockMode: its.lockMode, ObjectLockRetainUntilDate: its.lockUntil };
      return (await putProbe(its, name, { ContentMD5: base64(its.md5), ...locked })).VersionId;
    }),
  };
}

async function probeParts(its: Probe, name: string, checksum: Abilities['checksum']) {
  const { calls, signal } = its;
  const Bucket = calls.bucket;
  const send = async (locked: object, look?: (uploadId: string) => Promise<void>) => {
    const created = await calls.send<CreateMultipartUploadCommandOutput>(
      new CreateMultipartUploadCommand({
        Bucket,
        Key: name,
        ...(checksum === 'sha256' && { ChecksumAlgorithm: 'SHA256' }),
        ...locked,
      }),
      { signal },
    );
    const upload = { Bucket, Key: name, UploadId: created.UploadId };
    try {
      const sum =
        checksum === 'sha256' ? { ChecksumSHA256: base64(its.sha256) } : { ContentMD5: base64(its.md5) };
      const part = await calls.send<UploadPartCommandOutput>(
        new UploadPartCommand({ ...upload, PartNumber: 1, Body: its.body, ...sum }),
        { signal, body: { bytes: its.body.length, sha256: its.sha256 } },
      );
      await look?.(created.UploadId ?? '');
      const { ChecksumSHA256 } = sum as { ChecksumSHA256?: string };
      const Parts = [{ PartNumber: 1, ETag: part.ETag, ...(ChecksumSHA256 && { ChecksumSHA256 }) }];
      const completed = await calls.send<{ VersionId?: string }>(
        new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }),
        { signal },
      );
      return { etag: unquoted(part.ETag), versionId: completed.VersionId };
    } catch (error) {
      await calls.send(new AbortMultipartUploadCommand(upload), { signal }).catch(() => undefined);
      throw error;
    }
  };
  let listParts = false;
  const { etag } = await send({}, async (uploadId) => {
    listParts = await lists(its, name, uploadId);
  });
  const locked = { ObjectLockMode: its.lockMode, ObjectLockRetainUntilDate: its.lockUntil };
  const lockOnMultipart = await probeLock(its, name, async () => (await send(locked)).versionId);
  return { listParts, etagIsMd5: etag === its.md5, lockOnMultipart };
}

async function lists(its: Probe, name: string, uploadId: string): Promise<boolean> {
  let seen: ListPartsCommandOutput | undefined;
  const list = async () => {
    const command = new ListPartsCommand({ Bucket: its.calls.bucket, Key: name, UploadId: uploadId });
    seen = await its.calls.send<ListPartsCommandOutput>(command, { signal: its.signal });
  };
  return (await takes(its, list)) && seen?.Parts?.[0]?.PartNumber === 1;
}

/** Sends an object with a lock, and looks whether it is there; if not, whether it can be set afterwards. */
async function probeLock(
  its: Probe,
  name: string,
  send: () => Promise<string | undefined>,
): Promise<Abilities['lock']> {
  const { calls, signal, lockMode, lockUntil } = its;
  let versionId: string | undefined;
  const wasTaken = await takes(its, async () => {
    versionId = await send();
  });
  const version = {
    Bucket: calls.bucket,
    Key: name,
    ...(versionId !== undefined && versionId !== 'null' && { VersionId: versionId }),
  };
  let found: Abilities['lock'] = 'none';
  const isLocked = async () => (await retention(calls, version, signal)) !== null;
  if (wasTaken && (await isLocked())) found = 'with-object';
  else {
    const Retention = { Mode: lockMode, RetainUntilDate: lockUntil };
    const set = () =>
      calls.send(new PutObjectRetentionCommand({ ...version, Retention }), { signal, withMd5: true });
    if ((await takes(its, set)) && (await isLocked())) found = 'afterwards';
  }
  const hide = () => calls.send(new DeleteObjectCommand({ Bucket: calls.bucket, Key: name }), { signal });
  await takes(its, hide);
  return found;
}

async function putProbe(its: Probe, name: string, more: object): Promise<PutObjectCommandOutput> {
  const { calls, body, signal, sha256 } = its;
  return await calls.send<PutObjectCommandOutput>(
    new PutObjectCommand({ Bucket: calls.bucket, Key: name, Body: body, ...more }),
    { signal, body: { bytes: body.length, sha256 } },
  );
}

/** Whether the region did it. It may refuse; not to answer, and to refuse the credentials altogether, is an error. */
async function takes(its: Probe, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    its.signal?.throwIfAborted();
    if (isRegionError(error) && isAnAnswer(error)) return false;
    throw error;
  }
}

function isAnAnswer(error: RegionError): boolean {
  const word = (error.cause as Error | undefined)?.name ?? '';
  const isOfChecksum = ['BadDigest', 'XAmzContentChecksumMismatch', 'XAmzContentSHA256Mismatch'].includes(
    word,
  );
  return isOfChecksum || isRegionError(error, 'REGION_UNSUITABLE', 'REGION_NOT_FOUND', 'REGION_REFUSED');
}
