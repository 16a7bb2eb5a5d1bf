/**
 * A large object in parts. Each part's bytes are read and hashed anew, also of parts that were sent before: what the region
 * lists is compared with them, so that neither its word nor an old note of ours decides what is sent again. The object comes
 * into being only by the last request, and after the whole file had the hash that it was sealed with.
 */
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandOutput,
  ListPartsCommand,
  type ListPartsCommandOutput,
  UploadPartCommand,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3';
import type { Abilities } from './abilities.ts';
import { isRegionError, RegionError } from './errors.ts';
import { type LockMode, unquoted } from './hold.ts';
import { etagOf, type Part, readParts } from './read-parts.ts';
import type { MultipartUpload, PutOptions, StoredFile, UploadedPart } from './region.ts';
import { base64, type S3Calls } from './s3-calls.ts';

export interface MultipartPlan {
  readonly abilities: Abilities;
  readonly lockMode: LockMode;
  readonly partBytes: number;
  /** How many parts are under way; as many and one more are in memory. */
  readonly partsAtOnce: number;
}

interface Sending {
  readonly calls: S3Calls;
  readonly name: string;
  readonly upload: { readonly uploadId: string; readonly partBytes: number };
  readonly plan: MultipartPlan;
  readonly options: PutOptions;
  readonly done: Map<number, UploadedPart & { sha256: string }>;
  sent: number;
}

/** Resolves with the tag that the finished object must have. */
export async function putInParts(
  calls: S3Calls,
  name: string,
  file: StoredFile,
  plan: MultipartPlan,
  options: PutOptions,
): Promise<string> {
  const { upload, there } = await beginOrResume(calls, name, file, plan, options);
  const sending: Sending = { calls, name, upload, plan, options, done: new Map(), sent: 0 };
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  try {
    for await (const part of readParts(file, upload.partBytes, calls.region)) {
      options.signal.throwIfAborted();
      if (failures.length > 0) break;
      const known = there.get(part.number);
      if (known !== undefined && isSame(known, part, plan.abilities)) {
        await acknowledged(sending, part, known.etag, part.body.length);
        continue;
      }
      const work = sendPart(sending, part)
        .catch((error) => void failures.push(error))
        .finally(() => underWay.delete(work));
      underWay.add(work);
      if (underWay.size >= plan.partsAtOnce) await Promise.race(underWay);
    }
  } catch (error) {
    failures.unshift(error);
  }
  // Parts under way are let go to their end when one fails: on a bad link each is hard won.
  await Promise.all(underWay);
  options.signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  const parts = [...sending.done.values()].toSorted((a, b) => a.number - b.number);
  await complete(sending, parts);
  return etagOf(
    parts.map(({ md5 }) => md5),
    true,
  );
}

async function beginOrResume(
  calls: S3Calls,
  name: string,
  file: StoredFile,
  plan: MultipartPlan,
  options: PutOptions,
): Promise<{ upload: MultipartUpload; there: ReadonlyMap<number, UploadedPart> }> {
  const before = await options.state.load();
  if (before !== null) {
    const there = await partsThere(calls, name, before, plan.abilities, options.signal);
    if (there !== null) return { upload: before, there };
  }
  const { abilities, lockMode, partBytes } = plan;
  const created = await calls.send<CreateMultipartUploadCommandOutput>(
    new CreateMultipartUploadCommand({
      Bucket: calls.bucket,
      Key: name,
      Metadata: { sha256: file.sha256 },
      ContentType: 'application/octet-stream',
      ...(abilities.checksum === 'sha256' && { ChecksumAlgorithm: 'SHA256' }),
      ...(options.lockUntil !== undefined &&
        abilities.lockOnMultipart === 'with-object' && {
          ObjectLockMode: lockMode,
          ObjectLockRetainUntilDate: options.lockUntil,
        }),
    }),
    { signal: options.signal },
  );
  if (created.UploadId === undefined)
    throw new RegionError('REGION_LIED', calls.region, `began an upload of ${name} without naming it`);
  const upload = { uploadId: created.UploadId, partBytes, parts: [] };
  await options.state.save(upload);
  return { upload, there: new Map() };
}

/** Null when the region does not know the upload any more. */
async function partsThere(
  calls: S3Calls,
  name: string,
  upload: MultipartUpload,
  abilities: Abilities,
  signal: AbortSignal,
): Promise<Map<number, UploadedPart> | null> {
  const noted = new Map(upload.parts.map((part) => [part.number, part]));
  if (!abilities.listParts) return noted;
  const there = new Map<number, UploadedPart>();
  let marker: string | undefined;
  do {
    const page = { Bucket: calls.bucket, Key: name, UploadId: upload.uploadId, PartNumberMarker: marker };
    try {
      const listed = await calls.send<ListPartsCommandOutput>(new ListPartsCommand(page), { signal });
      for (const { PartNumber: number = 0, Size: bytes = 0, ETag } of listed.Parts ?? []) {
        const etag = unquoted(ETag);
        const md5 = noted.get(number)?.etag === etag ? (noted.get(number)?.md5 ?? '') : '';
        there.set(number, { number, bytes, etag, md5 });
      }
      marker = listed.IsTruncated ? listed.NextPartNumberMarker : undefined;
    } catch (error) {
      if (isRegionError(error, 'REGION_NOT_FOUND')) return null;
      throw error;
    }
  } while (marker !== undefined);
  return there;
}

function isSame(there: UploadedPart, part: Part, { etagIsMd5 }: Abilities): boolean {
  return there.bytes === part.body.length && (etagIsMd5 ? there.etag : there.md5) === part.md5;
}

async function sendPart(sending: Sending, part: Part): Promise<void> {
  const { calls, name, upload, plan, options } = sending;
  const { signal } = options;
  await options.pace?.open(signal);
  let reported = 0;
  const answer = await calls.send<UploadPartCommandOutput>(
    new UploadPartCommand({
      Bucket: calls.bucket,
      Key: name,
      UploadId: upload.uploadId,
      PartNumber: part.number,
      Body: part.body,
      ...checksumOf(part, plan.abilities),
    }),
    {
      signal,
      body: { bytes: part.body.length, sha256: part.sha256 },
      pace: options.pace,
      onSlice: (bytes) => {
        reported += bytes;
        progress(sending, bytes);
      },
    },
  );
  const etag = unquoted(answer.ETag);
  if (plan.abilities.etagIsMd5 && etag !== part.md5) {
    const what = `acknowledged other bytes than were sent as part ${part.number} of ${name}`;
    throw new RegionError('REGION_LIED', calls.region, what);
  }
  await acknowledged(sending, part, etag, part.body.length - reported);
}

async function acknowledged(sending: Sending, part: Part, etag: string, unreported: number): Promise<void> {
  const { number, md5, sha256, body } = part;
  sending.done.set(number, { number, bytes: body.length, md5, etag, sha256 });
  part.release();
  progress(sending, unreported);
  const parts = [...sending.done.values()].map(({ sha256: _, ...noted }) => noted);
  await sending.options.state.save({ ...sending.upload, parts });
}

function progress(sending: Sending, bytes: number): void {
  sending.sent += bytes;
  if (bytes > 0) sending.options.onProgress?.(sending.sent);
}

async function complete(
  { calls, name, upload, plan, options }: Sending,
  parts: readonly (UploadedPart & { sha256: string })[],
): Promise<void> {
  const withSums = plan.abilities.checksum === 'sha256';
  const Parts = parts.map(({ number, etag, sha256 }) => ({
    PartNumber: number,
    ETag: `"${etag}"`,
    ...(withSums && { ChecksumSHA256: base64(sha256) }),
  }));
  try {
    await calls.send(
      new CompleteMultipartUploadCommand({
        Bucket: calls.bucket,
        Key: name,
        UploadId: upload.uploadId,
        MultipartUpload: { Parts },
      }),
      { signal: options.signal },
    );
  } catch (error) {
    if (!isRegionError(error) || (error.cause as Error | undefined)?.name !== 'InvalidPart') throw error;
    // Where it cannot list what it has, everything is sent again.
    if (!plan.abilities.listParts) await options.state.save(null);
    const what = `lost a part of ${name} that it had acknowledged`;
    throw new RegionError('REGION_LIED', calls.region, what, { cause: error.cause });
  }
}

/** The checksum that this region compares; an MD5 where it compares none, since a locked bucket asks for one. */
export function checksumOf(part: Pick<Part, 'md5' | 'sha256'>, { checksum }: Abilities) {
  return checksum === 'sha256' ? { ChecksumSHA256: base64(part.sha256) } : { ContentMD5: base64(part.md5) };
}
