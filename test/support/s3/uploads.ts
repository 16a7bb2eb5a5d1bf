/** Objects in parts. */
import { createHash } from 'node:crypto';
import type { Answer, Context } from './context.ts';
import { invalidRequest, S3Error } from './error.ts';
import { lockAskedFor, requireChecksum } from './locks.ts';
import { addVersion, etag, flip, keptHeaders, newVersion, requireNone, versionHeader } from './objects.ts';
import { base64, receiveInto, receiveText } from './receive.ts';
import type { Part, Upload, Version } from './store.ts';
import { find, findAll, xml } from './xml.ts';

const LEAST_PART_BYTES = 5 * 1024 * 1024;
const MOST_PARTS = 10_000;

export function createUpload(context: Context): Answer {
  const { store, behaviour, bucket, key, nowMs, request } = context;
  const { headers } = request;
  const algorithm = headers['x-amz-checksum-algorithm'];
  if (algorithm !== undefined && algorithm !== 'SHA256')
    throw invalidRequest(`Checksum algorithm ${algorithm}`);
  const asked = lockAskedFor(store.bucket(bucket), headers, nowMs);
  const uploadId = store.newFile();
  store.beginUpload({
    bucket,
    key,
    uploadId,
    atMs: nowMs,
    headers: keptHeaders(headers),
    lock: behaviour.ignoreLockOnMultipart ? null : asked,
    isSummed: algorithm !== undefined,
  });
  return {
    body: xml('InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: uploadId }),
  };
}

export async function uploadPart(context: Context): Promise<Answer> {
  const { store, behaviour, fault, query, request, nowMs } = context;
  const upload = uploadOf(context);
  const number = Number(query.get('partNumber'));
  if (!Number.isInteger(number) || number < 1 || number > MOST_PARTS)
    throw new S3Error(400, 'InvalidArgument', `Part number must be an integer between 1 and ${MOST_PARTS}`);
  const bucket = store.bucket(context.bucket);
  requireChecksum(bucket, request.headers);
  const isSummed = request.headers['x-amz-checksum-sha256'] !== undefined;
  if (isSummed !== upload.isSummed && behaviour.ignoreChecksums === 'none')
    throw invalidRequest(
      `Checksum Type mismatch occurred, expected checksum Type: ${upload.isSummed ? 'sha256' : 'null'}, actual checksum Type: ${isSummed ? 'sha256' : 'null'}`,
    );
  const file = store.newFile();
  try {
    const { bytes, md5, sha256 } = await receiveInto(store.pathOf(file), request, behaviour, fault);
    if (fault.flip) await flip(store.pathOf(file));
    const part: Part = { number, bytes, md5: etag(context, md5), sha256, file, atMs: nowMs };
    // It may have been ended meanwhile.
    uploadOf(context);
    if (fault.drop) store.discard(file);
    else store.putPart(upload, part);
    return {
      headers: { etag: `"${part.md5}"`, ...(isSummed && { 'x-amz-checksum-sha256': base64(sha256) }) },
    };
  } catch (error) {
    store.discard(file);
    throw error;
  }
}

export function listParts(context: Context): Answer {
  if (context.behaviour.noListParts) throw new S3Error(501, 'NotImplemented', 'ListParts is not implemented');
  const { bucket, key, query } = context;
  const { uploadId, parts } = uploadOf(context);
  const after = Number(query.get('part-number-marker') ?? 0);
  const most = Math.min(1000, Number(query.get('max-parts') ?? 1000));
  const following = [...parts.values()]
    .filter(({ number }) => number > after)
    .toSorted((a, b) => a.number - b.number);
  const page = following.slice(0, most);
  const isTruncated = following.length > page.length;
  return {
    body: xml('ListPartsResult', {
      Bucket: bucket,
      Key: key,
      UploadId: uploadId,
      PartNumberMarker: after,
      NextPartNumberMarker: page.at(-1)?.number ?? 0,
      MaxParts: most,
      IsTruncated: isTruncated,
      Part: page.map((part) => ({
        PartNumber: part.number,
        LastModified: new Date(part.atMs).toISOString(),
        ETag: `"${part.md5}"`,
        Size: part.bytes,
      })),
    }),
  };
}

export async function completeUpload(context: Context): Promise<Answer> {
  const { store, behaviour, fault, bucket, key, request } = context;
  const body = await receiveText(request, behaviour, fault);
  const upload = uploadOf(context);
  const parts = partsNamed(body, upload);
  requireNone(context);
  const tag = createHash('md5').update(Buffer.concat(parts.map(({ md5 }) => Buffer.from(md5, 'hex'))));
  const sum = createHash('sha256').update(
    Buffer.concat(parts.map(({ sha256 }) => Buffer.from(sha256, 'hex'))),
  );
  const version: Version = {
    ...newVersion(context),
    bytes: parts.reduce((all, { bytes }) => all + bytes, 0),
    etag: `${etag(context, tag.digest('hex'))}-${parts.length}`,
    headers: upload.headers,
    segments: parts.map(({ file, bytes }) => ({ file, bytes })),
    lock: upload.lock,
    sha256Sum: upload.isSummed ? `${sum.digest('base64')}-${parts.length}` : null,
  };
  if (!fault.drop) addVersion(context, version);
  store.endUpload(upload, fault.drop ? [] : version.segments);
  return {
    headers: versionHeader(version),
    body: xml('CompleteMultipartUploadResult', { Bucket: bucket, Key: key, ETag: `"${version.etag}"` }),
  };
}

export function abortUpload(context: Context): Answer {
  context.store.endUpload(uploadOf(context));
  return { status: 204 };
}

export function listUploads({ store, bucket, query }: Context): Answer {
  const prefix = query.get('prefix') ?? '';
  const uploads = [...store.bucket(bucket).uploads.values()].filter(({ key }) => key.startsWith(prefix));
  return {
    body: xml('ListMultipartUploadsResult', {
      Bucket: bucket,
      Prefix: prefix,
      IsTruncated: false,
      Upload: uploads.map(({ key, uploadId, atMs }) => ({
        Key: key,
        UploadId: uploadId,
        Initiated: new Date(atMs).toISOString(),
      })),
    }),
  };
}

function uploadOf({ store, bucket, key, query }: Context): Upload {
  return store.upload(bucket, key, query.get('uploadId') ?? '');
}

/** The parts that the client names, each of which must be there as it says. */
function partsNamed(body: string, upload: Upload): Part[] {
  const named = findAll(body, 'Part').map((part) => ({
    number: Number(find(part, 'PartNumber')),
    etag: (find(part, 'ETag') ?? '').replaceAll('"', ''),
    sum: find(part, 'ChecksumSHA256'),
  }));
  if (named.length === 0) throw new S3Error(400, 'MalformedXML', 'No part is named');
  const parts = named.map(({ number, etag: tag, sum }, index) => {
    if (index > 0 && number <= (named[index - 1]?.number ?? 0)) throw new S3Error(400, 'InvalidPartOrder');
    const part = upload.parts.get(number);
    const isThere = part !== undefined && part.md5 === tag;
    if (!isThere || (upload.isSummed && sum !== base64(part.sha256)))
      throw new S3Error(400, 'InvalidPart', `Part ${number} is not there as you say`);
    return part;
  });
  if (parts.slice(0, -1).some(({ bytes }) => bytes < LEAST_PART_BYTES))
    throw new S3Error(400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
  return parts;
}
