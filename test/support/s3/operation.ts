/** Which operation of S3 a request is; what is not known here is not implemented, rather than guessed at. */
import { notImplemented } from './error.ts';

export interface S3Request {
  readonly operation: Operation;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
}

const bucketOperations = {
  'PUT ': 'CreateBucket',
  'HEAD ': 'HeadBucket',
  'DELETE ': 'DeleteBucket',
  'GET location': 'GetBucketLocation',
  'GET versioning': 'GetBucketVersioning',
  'PUT versioning': 'PutBucketVersioning',
  'GET object-lock': 'GetObjectLockConfiguration',
  'GET list-type': 'ListObjectsV2',
  'GET versions': 'ListObjectVersions',
  'GET uploads': 'ListMultipartUploads',
  'POST delete': 'DeleteObjects',
} as const;

const objectOperations = {
  'PUT ': 'PutObject',
  'PUT partNumber,uploadId': 'UploadPart',
  'PUT retention': 'PutObjectRetention',
  'GET retention': 'GetObjectRetention',
  'GET ': 'GetObject',
  'GET uploadId': 'ListParts',
  'HEAD ': 'HeadObject',
  'DELETE ': 'DeleteObject',
  'DELETE uploadId': 'AbortMultipartUpload',
  'POST uploads': 'CreateMultipartUpload',
  'POST uploadId': 'CompleteMultipartUpload',
} as const;

type Known<Table> = Table[keyof Table];
export type Operation = Known<typeof bucketOperations> | Known<typeof objectOperations> | 'ListBuckets';

/** Parameters that say which operation it is; all others are its arguments. */
const TELLING = new Set([
  'location',
  'versioning',
  'object-lock',
  'list-type',
  'versions',
  'uploads',
  'delete',
  'partNumber',
  'uploadId',
  'retention',
]);
const ARGUMENTS = new Set([
  'prefix',
  'delimiter',
  'max-keys',
  'start-after',
  'continuation-token',
  'key-marker',
  'version-id-marker',
  'upload-id-marker',
  'max-uploads',
  'part-number-marker',
  'max-parts',
  'versionId',
  'x-id',
  'encoding-type',
  'fetch-owner',
]);

export function readRequest(method: string, url: string): S3Request {
  const [path = '/', search = ''] = url.split(/\?(.*)/s);
  const query = new URLSearchParams(search.replaceAll('+', '%2B'));
  const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(decodeURIComponent(path)) ?? [];
  const unknown = [...query.keys()].find((name) => !TELLING.has(name) && !ARGUMENTS.has(name));
  if (unknown !== undefined) throw notImplemented(`The parameter ${unknown}`);
  return { operation: operationOf(method, bucket, key, query), bucket, key, query };
}

function operationOf(method: string, bucket: string, key: string, query: URLSearchParams): Operation {
  if (bucket === '' && method === 'GET') return 'ListBuckets';
  const telling = [...query.keys()].filter((name) => TELLING.has(name)).toSorted();
  // ListParts, its page, and the version of a retention have arguments beside what tells them.
  const word = `${method} ${telling.join(',')}`;
  const table: Readonly<Record<string, Operation>> = key === '' ? bucketOperations : objectOperations;
  const operation = table[word];
  if (operation === undefined)
    throw notImplemented(`${method} of ${key === '' ? 'a bucket' : 'an object'} (${telling})`);
  return operation;
}
