/**
 * Buckets, versions and unfinished uploads, on disk: bytes in files of their own, everything else in a journal that is read
 * again at the start. Durable against the end of the process, not against a power cut.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { S3Error } from './error.ts';

export interface Lock {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly untilMs: number;
}

export interface Segment {
  readonly file: string;
  readonly bytes: number;
}

export interface Version {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  readonly bytes: number;
  readonly etag: string;
  readonly atMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly isDeleteMarker: boolean;
  readonly segments: readonly Segment[];
  readonly lock: Lock | null;
  /** Base64, with the number of parts behind it. */
  readonly sha256Sum: string | null;
}

export interface Part {
  readonly number: number;
  readonly bytes: number;
  readonly md5: string;
  readonly sha256: string;
  readonly file: string;
  readonly atMs: number;
}

export interface Upload {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly atMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly lock: Lock | null;
  readonly isSummed: boolean;
  readonly parts: Map<number, Part>;
}

export interface Bucket {
  readonly name: string;
  readonly atMs: number;
  isVersioned: boolean;
  readonly hasLock: boolean;
  /** Oldest version first. */
  readonly objects: Map<string, Version[]>;
  readonly uploads: Map<string, Upload>;
}

type Entry =
  | { do: 'bucket'; name: string; atMs: number; isVersioned: boolean; hasLock: boolean }
  | { do: 'bucket-removed'; name: string }
  | { do: 'version'; version: Version }
  | { do: 'version-removed'; bucket: string; key: string; versionId: string }
  | { do: 'upload'; upload: Omit<Upload, 'parts'> }
  | { do: 'part'; bucket: string; uploadId: string; part: Part }
  | { do: 'upload-ended'; bucket: string; uploadId: string };

export class Store {
  readonly buckets = new Map<string, Bucket>();
  readonly #journal: string;
  readonly #data: string;

  constructor(dir: string) {
    this.#data = join(dir, 'data');
    this.#journal = join(dir, 'journal.jsonl');
    mkdirSync(this.#data, { recursive: true });
    if (!existsSync(this.#journal)) return;
    for (const line of readFileSync(this.#journal, 'utf8').split('\n')) {
      // A line that the end of the process cut short was never acknowledged.
      if (line.endsWith('}')) this.#apply(JSON.parse(line) as Entry);
    }
    this.#removeOrphans();
  }

  bucket(name: string): Bucket {
    const bucket = this.buckets.get(name);
    if (bucket === undefined) throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist');
    return bucket;
  }

  /** The newest version when none is named. */
  version(bucketName: string, key: string, versionId: string | null): Version {
    const versions = this.bucket(bucketName).objects.get(key) ?? [];
    const found = versionId === null ? versions.at(-1) : versions.find((one) => one.versionId === versionId);
    if (found === undefined && versionId !== null) throw new S3Error(404, 'NoSuchVersion');
    if (found === undefined || (found.isDeleteMarker && versionId === null))
      throw new S3Error(404, 'NoSuchKey', 'The specified key does not exist');
    if (found.isDeleteMarker) throw new S3Error(405, 'MethodNotAllowed');
    return found;
  }

  upload(bucketName: string, key: string, uploadId: string): Upload {
    const upload = this.bucket(bucketName).uploads.get(uploadId);
    if (upload === undefined || upload.key !== key)
      throw new S3Error(404, 'NoSuchUpload', 'The specified upload does not exist');
    return upload;
  }

  makeBucket(name: string, atMs: number, options: { isVersioned: boolean; hasLock: boolean }): void {
    this.#write({ do: 'bucket', name, atMs, ...options });
  }

  setVersioned(name: string): void {
    const { atMs, hasLock } = this.bucket(name);
    this.#write({ do: 'bucket', name, atMs, isVersioned: true, hasLock });
  }

  removeBucket(name: string): void {
    this.#write({ do: 'bucket-removed', name });
  }

  /** Also replaces a version with the same id, as a lock set afterwards does. */
  putVersion(version: Version): void {
    this.#write({ do: 'version', version });
  }

  removeVersion({ bucket, key, versionId, segments }: Version): void {
    this.#write({ do: 'version-removed', bucket, key, versionId });
    for (const { file } of segments) this.discard(file);
  }

  beginUpload(upload: Omit<Upload, 'parts'>): void {
    this.#write({ do: 'upload', upload });
  }

  putPart({ bucket, uploadId, parts }: Upload, part: Part): void {
    const before = parts.get(part.number);
    this.#write({ do: 'part', bucket, uploadId, part });
    if (before !== undefined) this.discard(before.file);
  }

  /** Bytes of parts that the finished object does not use are removed. */
  endUpload({ bucket, uploadId, parts }: Upload, used: readonly Segment[] = []): void {
    this.#write({ do: 'upload-ended', bucket, uploadId });
    for (const { file } of parts.values())
      if (!used.some((segment) => segment.file === file)) this.discard(file);
  }

  /** A new file for bytes. */
  newFile(): string {
    return randomBytes(12).toString('hex');
  }

  pathOf(file: string): string {
    return join(this.#data, file);
  }

  discard(file: string): void {
    rmSync(this.pathOf(file), { force: true });
  }

  #write(entry: Entry): void {
    appendFileSync(this.#journal, `${JSON.stringify(entry)}\n`);
    this.#apply(entry);
  }

  #apply(entry: Entry): void {
    if (entry.do === 'bucket') {
      const { name, atMs, isVersioned, hasLock } = entry;
      const { objects = new Map(), uploads = new Map() } = this.buckets.get(name) ?? {};
      this.buckets.set(name, { name, atMs, isVersioned, hasLock, objects, uploads });
    } else if (entry.do === 'bucket-removed') this.buckets.delete(entry.name);
    else if (entry.do === 'version') this.#applyVersion(entry.version);
    else if (entry.do === 'version-removed') {
      const { objects } = this.bucket(entry.bucket);
      const left = (objects.get(entry.key) ?? []).filter(({ versionId }) => versionId !== entry.versionId);
      if (left.length === 0) objects.delete(entry.key);
      else objects.set(entry.key, left);
    } else if (entry.do === 'upload')
      this.bucket(entry.upload.bucket).uploads.set(entry.upload.uploadId, {
        ...entry.upload,
        parts: new Map(),
      });
    else if (entry.do === 'part')
      this.bucket(entry.bucket).uploads.get(entry.uploadId)?.parts.set(entry.part.number, entry.part);
    else this.bucket(entry.bucket).uploads.delete(entry.uploadId);
  }

  #applyVersion(version: Version): void {
    const { objects } = this.bucket(version.bucket);
    const versions = objects.get(version.key) ?? [];
    const same = versions.findIndex(({ versionId }) => versionId === version.versionId);
    if (same === -1) versions.push(version);
    else versions[same] = version;
    objects.set(version.key, versions);
  }

  /** What was being received when the process ended. */
  #removeOrphans(): void {
    const known = new Set<string>();
    for (const { objects, uploads } of this.buckets.values()) {
      for (const version of [...objects.values()].flat())
        for (const { file } of version.segments) known.add(file);
      for (const { parts } of uploads.values()) for (const { file } of parts.values()) known.add(file);
    }
    for (const file of readdirSync(this.#data)) if (!known.has(file)) this.discard(file);
  }
}
