/**
 * A region over any server that speaks S3. What the server does not do by itself (keep a lock, compare a checksum, refuse
 * a second object of a name) is found out once by probing, and done here instead.
 */
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { type Abilities, readAbilities, writeAbilities } from './abilities.ts';
import { isRegionError } from './errors.ts';
import { guardedBody } from './guarded-body.ts';
import { confirm, difference, headObject, lock } from './hold.ts';
import { isPreconditionFailed, judgeError } from './judge-error.ts';
import { checksumOf, type MultipartPlan, putInParts } from './multipart.ts';
import { probe } from './probe.ts';
import { etagOf, readParts, readWhole, type WholeFile } from './read-parts.ts';
import type { GetOptions, Listed, ListedVersion, PutOptions, Region, Stored, StoredFile } from './region.ts';
import { S3Calls } from './s3-calls.ts';
import { partBytesFor, type RegionSettings, wholeBytesFor } from './settings.ts';

const DEFAULT_PARTS_AT_ONCE = 2;
/** Providers change what they do: what was found is probed anew after this. */
const ABILITIES_LAST_MS = 7 * 24 * 3_600_000;

export interface RegionParts {
  readonly now?: () => number;
}

/** Sends nothing yet. Close it when it is no longer used, so that no socket stays open. */
export function openRegion(settings: RegionSettings, parts: RegionParts = {}): S3Region {
  return new S3Region(settings, parts);
}

export class S3Region implements Region {
  readonly name: string;
  readonly #settings: RegionSettings;
  readonly #calls: S3Calls;
  readonly #now: () => number;
  #abilities: Abilities | null = null;
  #probing: Promise<Abilities> | null = null;

  constructor(settings: RegionSettings, { now = Date.now }: RegionParts) {
    this.name = settings.name;
    this.#settings = settings;
    this.#calls = new S3Calls(settings);
    this.#now = now;
  }

  async put(name: string, file: StoredFile, options: PutOptions): Promise<Stored> {
    const abilities = await this.abilities(options.signal);
    const resumed = await options.state.load();
    const partBytes = resumed?.partBytes ?? partBytesFor(file.bytes, this.#settings.partBytes);
    const isMultipart = resumed !== null || file.bytes > this.#wholeBytes;
    const hold = {
      abilities,
      lockUntil: options.lockUntil,
      lockMode: this.#lockMode,
      signal: options.signal,
    };
    if (isMultipart || !abilities.ifNoneMatch) {
      const there = await this.#alreadyThere(name, file, partBytes, isMultipart, options.signal);
      if (there !== null) return await this.#finished(await lock(this.#calls, there, hold), options);
    }
    const plan = { abilities, lockMode: this.#lockMode, partBytes, partsAtOnce: this.#partsAtOnce };
    const etag = isMultipart
      ? await this.#putInParts(name, file, plan, options)
      : await this.#putWhole(name, file, partBytes, abilities, options);
    const { bytes, sha256 } = file;
    return await this.#finished(await confirm(this.#calls, name, { bytes, sha256, etag }, hold), options);
  }

  head(name: string, signal?: AbortSignal): Promise<Stored | null> {
    return headObject(this.#calls, name, signal);
  }

  async get(name: string, { range, versionId, signal }: GetOptions = {}): Promise<Readable> {
    const command = new GetObjectCommand({
      Bucket: this.#calls.bucket,
      Key: name,
      ...(range !== undefined && { Range: `bytes=${range.start}-${range.end ?? ''}` }),
      ...(versionId !== undefined && { VersionId: versionId }),
    });
    const answer = await this.#calls.send<GetObjectCommandOutput>(command, { signal });
    return guardedBody(answer.Body as Readable, answer.ContentLength ?? 0, {
      region: this.name,
      name,
      signal,
    });
  }

  async *list(
    prefix: string,
    { after, signal }: { after?: string; signal?: AbortSignal } = {},
  ): AsyncGenerator<Listed> {
    let token: string | undefined;
    do {
      const page: ListObjectsV2CommandOutput = await this.#calls.send(
        new ListObjectsV2Command({
          Bucket: this.#calls.bucket,
          Prefix: prefix,
          StartAfter: token === undefined ? after : undefined,
          ContinuationToken: token,
        }),
        { signal },
      );
      for (const { Key = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? [])
        yield { name: Key, bytes: Size, at: LastModified };
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async *versions(prefix: string, signal?: AbortSignal): AsyncGenerator<ListedVersion> {
    let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
    while (marker !== undefined) {
      const page: ListObjectVersionsCommandOutput = await this.#calls.send(
        new ListObjectVersionsCommand({ Bucket: this.#calls.bucket, Prefix: prefix, ...marker }),
        { signal },
      );
      yield* versionsOf(page);
      const { NextKeyMarker, NextVersionIdMarker } = page;
      marker = page.IsTruncated
        ? {
            ...(NextKeyMarker !== undefined && { KeyMarker: NextKeyMarker }),
            ...(NextVersionIdMarker !== undefined && { VersionIdMarker: NextVersionIdMarker }),
          }
        : undefined;
    }
  }

  async remove(name: string, signal?: AbortSignal): Promise<void> {
    await this.#calls.send(new DeleteObjectCommand({ Bucket: this.#calls.bucket, Key: name }), { signal });
  }

  /** Of what is old and cannot be probed anew, the old answer holds. */
  async abilities(signal?: AbortSignal): Promise<Abilities> {
    const { abilitiesFile } = this.#settings;
    if (this.#abilities === null && abilitiesFile !== null)
      this.#abilities = await readAbilities(abilitiesFile, this.#settings);
    const known = this.#abilities;
    if (known !== null && this.#now() - Date.parse(known.probedAt) < ABILITIES_LAST_MS) return known;
    try {
      return await this.probe(signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (known !== null) return known;
      throw error;
    }
  }

  /** Finds out anew what the endpoint does, and remembers it. Leaves two small hidden objects there. */
  probe(signal?: AbortSignal): Promise<Abilities> {
    this.#probing ??= this.#probeNow(signal).finally(() => {
      this.#probing = null;
    });
    return this.#probing;
  }

  close(): void {
    this.#calls.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #probeNow(signal?: AbortSignal): Promise<Abilities> {
    const { abilitiesFile, probePrefix = '' } = this.#settings;
    const found = await probe(this.#calls, {
      prefix: probePrefix,
      lockMode: this.#lockMode,
      now: this.#now,
      signal,
    });
    this.#abilities = found;
    if (abilitiesFile !== null) await writeAbilities(abilitiesFile, this.#settings, found);
    return found;
  }

  /** What an earlier call sent to its end, though nobody heard so. Anything else of this name is sent over. */
  async #alreadyThere(
    name: string,
    file: StoredFile,
    partBytes: number,
    isMultipart: boolean,
    signal: AbortSignal,
  ): Promise<Stored | null> {
    const there = await this.head(name, signal);
    if (there === null || there.bytes !== file.bytes || there.sha256 !== file.sha256) return null;
    const md5s: string[] = [];
    for await (const part of readParts(file, isMultipart ? partBytes : file.bytes, this.name)) {
      signal.throwIfAborted();
      md5s.push(part.md5);
      part.release();
    }
    const expected = { bytes: file.bytes, sha256: file.sha256, etag: etagOf(md5s, isMultipart) };
    return difference(there, expected, await this.abilities(signal)) === null ? there : null;
  }

  /** Once more from the beginning when the region does not know the upload that was to go on. */
  async #putInParts(
    name: string,
    file: StoredFile,
    plan: MultipartPlan,
    options: PutOptions,
  ): Promise<string> {
    const wasBegun = (await options.state.load()) !== null;
    try {
      return await putInParts(this.#calls, name, file, plan, options);
    } catch (error) {
      if (!wasBegun || !isRegionError(error, 'REGION_NOT_FOUND')) throw error;
      await options.state.save(null);
      return await putInParts(this.#calls, name, file, plan, options);
    }
  }

  async #putWhole(
    name: string,
    file: StoredFile,
    partBytes: number,
    abilities: Abilities,
    options: PutOptions,
  ): Promise<string> {
    const part = await readWhole(file, this.name);
    let isSent = false;
    try {
      await this.#sendWhole(name, file, part, partBytes, abilities, options);
      isSent = true;
    } finally {
      part.release(isSent);
    }
    return etagOf([part.md5], false);
  }

  async #sendWhole(
    name: string,
    file: StoredFile,
    part: WholeFile,
    partBytes: number,
    abilities: Abilities,
    options: PutOptions,
  ): Promise<void> {
    const { lockUntil, signal, pace } = options;
    const input = {
      Bucket: this.#calls.bucket,
      Key: name,
      Body: part.body,
      ContentType: 'application/octet-stream',
      Metadata: { sha256: file.sha256 },
      ...checksumOf(part, abilities),
      ...(lockUntil !== undefined &&
        abilities.lock === 'with-object' && {
          ObjectLockMode: this.#lockMode,
          ObjectLockRetainUntilDate: lockUntil,
        }),
    };
    let sent = 0;
    const onSlice = (bytes: number) => {
      sent += bytes;
      options.onProgress?.(sent);
    };
    const send = async (condition: object) => {
      await pace?.open(signal);
      const body = { bytes: file.bytes, sha256: part.sha256 };
      await this.#calls.sendRaw(new PutObjectCommand({ ...input, ...condition }), {
        signal,
        body,
        pace,
        onSlice,
      });
    };
    try {
      await send(abilities.ifNoneMatch ? { IfNoneMatch: '*' } : {});
    } catch (error) {
      if (!isPreconditionFailed(error)) throw this.#judged(error, signal);
      const there = await this.#alreadyThere(name, file, partBytes, false, signal);
      sent = 0;
      if (there === null)
        await send({}).catch((cause) => {
          throw this.#judged(cause, signal);
        });
    }
  }

  #judged(error: unknown, signal: AbortSignal): Error {
    signal.throwIfAborted();
    return judgeError(error, this.name);
  }

  async #finished(stored: Stored, options: PutOptions): Promise<Stored> {
    if ((await options.state.load()) !== null) await options.state.save(null);
    options.onProgress?.(stored.bytes);
    return stored;
  }

  get #wholeBytes(): number {
    return wholeBytesFor(this.#settings.partBytes);
  }

  get #lockMode(): 'GOVERNANCE' | 'COMPLIANCE' {
    return this.#settings.lockMode ?? 'GOVERNANCE';
  }

  get #partsAtOnce(): number {
    return this.#settings.partsAtOnce ?? DEFAULT_PARTS_AT_ONCE;
  }
}

function* versionsOf(page: ListObjectVersionsCommandOutput): Generator<ListedVersion> {
  const versions = (page.Versions ?? []).map((version) => ({ ...version, isDeleteMarker: false }));
  const markers = (page.DeleteMarkers ?? []).map((marker) => ({ ...marker, Size: 0, isDeleteMarker: true }));
  for (const { Key, Size, LastModified, VersionId, IsLatest, isDeleteMarker } of [...versions, ...markers])
    yield {
      name: Key ?? '',
      bytes: Size ?? 0,
      at: LastModified ?? new Date(0),
      versionId: VersionId ?? 'null',
      isLatest: IsLatest ?? false,
      isDeleteMarker,
    };
}
