/** Whole objects: put, get, head, delete, lock. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Context } from './context.ts';
import { accessDenied, S3Error } from './error.ts';
import {
  changedLock,
  lockAskedFor,
  lockHeaders,
  requireChecksum,
  requireUnlocked,
  retentionXml,
} from './locks.ts';
import { base64, receiveInto, receiveText } from './receive.ts';
import type { Segment, Version } from './store.ts';
import { find, findAll, xml } from './xml.ts';

const CHUNK_BYTES = 256 * 1024;

export async function putObject(context: Context): Promise<Answer> {
  const { store, behaviour, fault, request, bucket: bucketName, nowMs } = context;
  const { headers } = request;
  const bucket = store.bucket(bucketName);
  if (headers['x-amz-copy-source'] !== undefined) throw new S3Error(501, 'NotImplemented', 'CopyObject');
  requireChecksum(bucket, headers);
  const asked = lockAskedFor(bucket, headers, nowMs);
  requireNone(context);
  const file = store.newFile();
  try {
    const { bytes, md5, sha256 } = await receiveInto(store.pathOf(file), request, behaviour, fault);
    requireNone(context);
    if (fault.flip) await flip(store.pathOf(file));
    const sum = headers['x-amz-checksum-sha256'] === undefined ? null : base64(sha256);
    const version: Version = {
      ...newVersion(context),
      bytes,
      etag: etag(context, md5),
      headers: keptHeaders(headers),
      segments: [{ file, bytes }],
      lock: behaviour.ignoreLockOnPut ? null : asked,
      sha256Sum: behaviour.ignoreChecksums === 'none' ? sum : null,
    };
    if (fault.drop) store.discard(file);
    else addVersion(context, version);
    return { headers: { etag: `"${version.etag}"`, ...versionHeader(version), ...sumHeader(version) } };
  } catch (error) {
    store.discard(file);
    throw error;
  }
}

export async function getObject(context: Context): Promise<Answer> {
  const { store, fault, response, request, bucket, key, query } = context;
  const version = store.version(bucket, key, query.get('versionId'));
  const range = rangeOf(request.headers.range, version.bytes);
  const length = range.end - range.start + 1;
  response.writeHead(request.headers.range === undefined ? 200 : 206, {
    ...objectHeaders(version, request.headers),
    'content-length': length,
    ...(request.headers.range !== undefined && {
      'content-range': `bytes ${range.start}-${range.end}/${version.bytes}`,
    }),
  });
  let sent = 0;
  for await (const chunk of read(context, version.segments, range)) {
    if (fault.breakOffAfterBytes !== undefined && sent + chunk.length > fault.breakOffAfterBytes) {
      response.write(chunk.subarray(0, fault.breakOffAfterBytes - sent), () =>
        response.socket?.resetAndDestroy(),
      );
      return { isWritten: true };
    }
    sent += chunk.length;
    if (!response.write(chunk)) await drained(response);
    if (response.destroyed) return { isWritten: true };
    if (fault.bytesPerSecond !== undefined) await sleep((chunk.length / fault.bytesPerSecond) * 1000);
  }
  response.end();
  return { isWritten: true };
}

export function headObject({ store, request, bucket, key, query }: Context): Answer {
  const version = store.version(bucket, key, query.get('versionId'));
  return {
    headers: { ...objectHeaders(version, request.headers), 'content-length': String(version.bytes) },
  };
}

export function deleteObject(context: Context): Answer {
  const { store, bucket: bucketName, key, query, request, credential, nowMs } = context;
  const versionId = query.get('versionId');
  const bucket = store.bucket(bucketName);
  const versions = bucket.objects.get(key) ?? [];
  if (versionId === null && bucket.isVersioned) {
    const marker: Version = { ...newVersion(context), isDeleteMarker: true };
    store.putVersion(marker);
    return { status: 204, headers: { 'x-amz-delete-marker': 'true', ...versionHeader(marker) } };
  }
  const version = versionId === null ? versions.at(-1) : versions.find((one) => one.versionId === versionId);
  if (version === undefined) return { status: 204 };
  if (versionId !== null && (credential.may ?? 'everything') !== 'everything')
    throw accessDenied('These credentials may not delete versions');
  requireUnlocked(version, { headers: request.headers, credential, nowMs });
  store.removeVersion(version);
  return { status: 204, headers: versionHeader(version) };
}

export async function deleteObjects(context: Context): Promise<Answer> {
  const body = await receiveText(context.request, context.behaviour, context.fault);
  const Deleted = [];
  const Failed = [];
  for (const object of findAll(body, 'Object')) {
    const key = find(object, 'Key') ?? '';
    const versionId = find(object, 'VersionId');
    const query = new URLSearchParams(versionId === undefined ? {} : { versionId });
    try {
      deleteObject({ ...context, key, query });
      Deleted.push({ Key: key, VersionId: versionId });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      Failed.push({ Key: key, VersionId: versionId, Code: error.code, Message: error.message });
    }
  }
  return { body: xml('DeleteResult', { Deleted, Error: Failed }) };
}

export async function putRetention(context: Context): Promise<Answer> {
  const { store, behaviour, fault, bucket, key, query, request, credential, nowMs } = context;
  const body = await receiveText(request, behaviour, fault);
  requireChecksum(store.bucket(bucket), request.headers);
  if (!store.bucket(bucket).hasLock)
    throw new S3Error(400, 'InvalidRequest', 'The bucket has no Object Lock');
  const version = store.version(bucket, key, query.get('versionId'));
  const lock = changedLock(version, body, { headers: request.headers, credential, nowMs });
  if (!behaviour.ignoreRetention) store.putVersion({ ...version, lock });
  return {};
}

export function getRetention({ store, bucket, key, query }: Context): Answer {
  if (!store.bucket(bucket).hasLock)
    throw new S3Error(400, 'InvalidRequest', 'The bucket has no Object Lock');
  const { lock } = store.version(bucket, key, query.get('versionId'));
  if (lock === null) throw new S3Error(404, 'NoSuchObjectLockConfiguration');
  return { body: retentionXml(lock) };
}

/** A version of now, of nothing yet. */
export function newVersion({ store, bucket, key, nowMs }: Context): Version {
  const { isVersioned } = store.bucket(bucket);
  return {
    bucket,
    key,
    versionId: isVersioned ? store.newFile() : 'null',
    bytes: 0,
    etag: '',
    atMs: nowMs,
    headers: {},
    isDeleteMarker: false,
    segments: [],
    lock: null,
    sha256Sum: null,
  };
}

/** Without versions it takes the place of what was there. */
export function addVersion({ store }: Context, version: Version): void {
  const { objects, isVersioned } = store.bucket(version.bucket);
  const before = isVersioned ? undefined : objects.get(version.key)?.at(-1);
  if (before !== undefined) store.removeVersion(before);
  store.putVersion(version);
}

/** Honours `If-None-Match: *`, the only condition that is known here. */
export function requireNone({ store, behaviour, request, bucket, key }: Context): void {
  const condition = request.headers['if-none-match'];
  if (condition === undefined || behaviour.ignoreIfNoneMatch) return;
  if (condition !== '*') throw new S3Error(501, 'NotImplemented', 'If-None-Match with a tag');
  const newest = store.bucket(bucket).objects.get(key)?.at(-1);
  if (newest !== undefined && !newest.isDeleteMarker)
    throw new S3Error(
      412,
      'PreconditionFailed',
      'At least one of the pre-conditions you specified did not hold',
    );
}

export function etag({ behaviour, store }: Context, md5: string): string {
  return behaviour.oddEtags ? `${store.newFile()}${store.newFile().slice(0, 8)}` : md5;
}

export function keptHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept = Object.entries(headers).filter(
    ([name]) => name.startsWith('x-amz-meta-') || name === 'content-type',
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}

export function versionHeader({ versionId }: Version): Record<string, string> {
  return versionId === 'null' ? {} : { 'x-amz-version-id': versionId };
}

export function sumHeader({ sha256Sum }: Version): Record<string, string> {
  return sha256Sum === null ? {} : { 'x-amz-checksum-sha256': sha256Sum };
}

/** Another byte in the middle than was received. */
export async function flip(path: string): Promise<void> {
  await using handle = await open(path, 'r+');
  const at = Math.floor((await handle.stat()).size / 2);
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ 0x01;
  await handle.write(byte, 0, 1, at);
}

function objectHeaders(version: Version, asked: IncomingHttpHeaders): Record<string, string> {
  return {
    ...version.headers,
    etag: `"${version.etag}"`,
    'last-modified': new Date(version.atMs).toUTCString(),
    'accept-ranges': 'bytes',
    ...versionHeader(version),
    ...lockHeaders(version),
    ...(asked['x-amz-checksum-mode'] === 'ENABLED' && sumHeader(version)),
  };
}

function rangeOf(header: string | undefined, bytes: number): { start: number; end: number } {
  const all = { start: 0, end: bytes - 1 };
  if (header === undefined) return all;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(header) ?? [];
  if (from === undefined) throw new S3Error(501, 'NotImplemented', `Range ${header}`);
  const start = Number(from);
  if (start >= bytes) throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable');
  return { start, end: to === '' || to === undefined ? bytes - 1 : Math.min(Number(to), bytes - 1) };
}

async function* read(
  { store }: Context,
  segments: readonly Segment[],
  range: { start: number; end: number },
): AsyncGenerator<Buffer> {
  let from = 0;
  for (const { file, bytes } of segments) {
    const start = Math.max(range.start - from, 0);
    const end = Math.min(range.end - from, bytes - 1);
    if (start <= end) yield* createReadStream(store.pathOf(file), { start, end, highWaterMark: CHUNK_BYTES });
    from += bytes;
  }
}

function drained(response: Context['response']): Promise<void> {
  return new Promise((go) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      go();
    };
    response.on('drain', done).on('close', done);
  });
}
