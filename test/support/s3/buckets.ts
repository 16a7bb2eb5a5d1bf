/** Buckets, and lists of what they hold. */
import type { Answer, Context } from './context.ts';
import { S3Error } from './error.ts';
import { receiveText } from './receive.ts';
import type { Version } from './store.ts';
import { find, xml } from './xml.ts';

const MOST_KEYS = 1000;

export async function createBucket({
  store,
  bucket,
  nowMs,
  request,
  behaviour,
  fault,
}: Context): Promise<Answer> {
  await receiveText(request, behaviour, fault);
  if (store.buckets.has(bucket)) throw new S3Error(409, 'BucketAlreadyOwnedByYou');
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) throw new S3Error(400, 'InvalidBucketName');
  const hasLock = request.headers['x-amz-bucket-object-lock-enabled'] === 'true';
  store.makeBucket(bucket, nowMs, { isVersioned: hasLock, hasLock });
  return { headers: { location: `/${bucket}` } };
}

export function headBucket({ store, bucket }: Context): Answer {
  store.bucket(bucket);
  return {};
}

export function deleteBucket({ store, bucket }: Context): Answer {
  if (store.bucket(bucket).objects.size > 0) throw new S3Error(409, 'BucketNotEmpty');
  store.removeBucket(bucket);
  return { status: 204 };
}

export function bucketLocation({ store, bucket }: Context): Answer {
  store.bucket(bucket);
  return { body: xml('LocationConstraint', {}) };
}

export function listBuckets({ store }: Context): Answer {
  const Bucket = [...store.buckets.values()].map(({ name, atMs }) => ({
    Name: name,
    CreationDate: new Date(atMs).toISOString(),
  }));
  return { body: xml('ListAllMyBucketsResult', { Buckets: { Bucket } }) };
}

export function getVersioning({ store, bucket }: Context): Answer {
  const Status = store.bucket(bucket).isVersioned ? 'Enabled' : undefined;
  return { body: xml('VersioningConfiguration', { Status }) };
}

export async function putVersioning({ store, bucket, request, behaviour, fault }: Context): Promise<Answer> {
  const status = find(await receiveText(request, behaviour, fault), 'Status');
  if (status !== 'Enabled') throw new S3Error(501, 'NotImplemented', `Versioning ${status}`);
  store.bucket(bucket);
  store.setVersioned(bucket);
  return {};
}

export function getLockConfiguration({ store, bucket }: Context): Answer {
  if (!store.bucket(bucket).hasLock) throw new S3Error(404, 'ObjectLockConfigurationNotFoundError');
  return { body: xml('ObjectLockConfiguration', { ObjectLockEnabled: 'Enabled' }) };
}

export function listObjects({ store, bucket, query }: Context): Answer {
  if (query.get('list-type') !== '2') throw new S3Error(501, 'NotImplemented', 'ListObjects of version 1');
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const token = query.get('continuation-token');
  const after =
    token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString();
  const most = Math.min(MOST_KEYS, Number(query.get('max-keys') ?? MOST_KEYS));
  const contents: Version[] = [];
  const groups = new Set<string>();
  let last = '';
  let isTruncated = false;
  for (const [key, versions] of inOrder(store.bucket(bucket).objects, prefix)) {
    const newest = versions.at(-1);
    if (newest === undefined || newest.isDeleteMarker || compareKeys(key, after) <= 0) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const group = cut === -1 ? null : key.slice(0, cut + delimiter.length);
    if (group !== null && (groups.has(group) || after.startsWith(group))) continue;
    if (contents.length + groups.size === most) {
      isTruncated = true;
      break;
    }
    if (group === null) contents.push(newest);
    else groups.add(group);
    last = group ?? key;
  }
  return {
    body: xml('ListBucketResult', {
      Name: bucket,
      Prefix: prefix,
      KeyCount: contents.length + groups.size,
      MaxKeys: most,
      IsTruncated: isTruncated,
      NextContinuationToken: isTruncated ? Buffer.from(last).toString('base64url') : undefined,
      Contents: contents.map((version) => ({ ...described(version), Size: version.bytes })),
      CommonPrefixes: [...groups].map((group) => ({ Prefix: group })),
    }),
  };
}

export function listVersions({ store, bucket, query }: Context): Answer {
  const prefix = query.get('prefix') ?? '';
  const most = Math.min(MOST_KEYS, Number(query.get('max-keys') ?? MOST_KEYS));
  const all = [...inOrder(store.bucket(bucket).objects, prefix)].flatMap(([, versions]) =>
    versions.map((version, index) => ({ version, isLatest: index === versions.length - 1 })).reverse(),
  );
  const key = query.get('key-marker');
  const id = query.get('version-id-marker');
  const from =
    key === null
      ? 0
      : all.findLastIndex(({ version }) => version.key === key && (id === null || version.versionId === id)) +
        1;
  const page = all.slice(from, from + most);
  const isTruncated = all.length > from + page.length;
  const last = page.at(-1)?.version;
  const entries = (isMarker: boolean) =>
    page
      .filter(({ version }) => version.isDeleteMarker === isMarker)
      .map(({ version, isLatest }) => ({
        ...described(version),
        VersionId: version.versionId,
        IsLatest: isLatest,
        Size: isMarker ? undefined : version.bytes,
      }));
  return {
    body: xml('ListVersionsResult', {
      Name: bucket,
      Prefix: prefix,
      MaxKeys: most,
      IsTruncated: isTruncated,
      NextKeyMarker: isTruncated ? last?.key : undefined,
      NextVersionIdMarker: isTruncated ? last?.versionId : undefined,
      Version: entries(false),
      DeleteMarker: entries(true),
    }),
  };
}

function described({ key, atMs, etag, isDeleteMarker }: Version) {
  return {
    Key: key,
    LastModified: new Date(atMs).toISOString(),
    ETag: isDeleteMarker ? undefined : `"${etag}"`,
    StorageClass: isDeleteMarker ? undefined : 'STANDARD',
  };
}

function inOrder(objects: ReadonlyMap<string, Version[]>, prefix: string): [string, Version[]][] {
  return [...objects].filter(([key]) => key.startsWith(prefix)).toSorted(([a], [b]) => compareKeys(a, b));
}

/** By their bytes in UTF-8. */
function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
