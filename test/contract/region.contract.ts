/**
 * What every region must do, whatever server is behind it. Run against the strict server of the tests, which has all abilities
 * or lacks those that it is told to lack, and against a real one that lacks several.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyObject } from '../../packages/backup-core/src/region/copy.ts';
import type {
  MultipartState,
  MultipartUpload,
  Stored,
  StoredFile,
} from '../../packages/backup-core/src/region/region.ts';
import { openRegion, type S3Region } from '../../packages/backup-core/src/region/s3-region.ts';
import { RegionCredentials } from '../../packages/backup-core/src/region/settings.ts';

const MIB = 1024 * 1024;
const SECRETS = /secret-of-|AWS4-HMAC/;

/** A server with nothing in it. */
export interface RegionServer {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  makeBucket(name: string, options: { versioning?: boolean; lock?: boolean }): Promise<void>;
  close(): Promise<void>;
}

export interface Expectations {
  readonly ifNoneMatch: boolean;
  readonly lockOnMultipart: 'with-object' | 'afterwards';
  readonly checksum: 'sha256' | 'md5';
  readonly listParts: boolean;
}

/** What `put` remembers, as a spool would, but in memory. */
export class MemoryState implements MultipartState {
  upload: MultipartUpload | null = null;
  readonly saved: (MultipartUpload | null)[] = [];
  load = () => this.upload;
  save = (upload: MultipartUpload | null) => {
    this.upload = upload;
    this.saved.push(upload);
  };
}

export function writeFile(dir: string, bytes: number): StoredFile {
  const content = randomBytes(bytes);
  const path = join(dir, randomBytes(6).toString('hex'));
  writeFileSync(path, content);
  return { path, bytes, sha256: createHash('sha256').update(content).digest('hex') };
}

export function regionContract(
  title: string,
  start: () => Promise<RegionServer>,
  expectations: Expectations,
): void {
  describe(title, () => {
    const dir = mkdtempSync(join(tmpdir(), 'skooly-region-'));
    let server: RegionServer;
    let region: S3Region;
    const open = (bucket: string, name = bucket) =>
      openRegion({
        name,
        endpoint: server.endpoint,
        bucket,
        credentials: new RegionCredentials(server.accessKeyId, server.secretAccessKey),
        abilitiesFile: join(dir, `${name}.json`),
        partBytes: 5 * MIB,
      });
    const { signal } = new AbortController();
    const state = () => new MemoryState();
    const later = (ms: number) => new Date(Math.floor((Date.now() + ms) / 1000) * 1000);
    const put = (name: string, file: StoredFile, more: object = {}): Promise<Stored> =>
      region.put(name, file, { signal, state: state(), ...more });

    beforeAll(async () => {
      server = await start();
      await server.makeBucket('locked', { lock: true });
      await server.makeBucket('plain', {});
      region = open('locked');
    });
    afterAll(async () => {
      region?.close();
      await server?.close();
      rmSync(dir, { recursive: true, force: true });
    });

    test('its abilities are found out by trying, and remembered', async () => {
      expect(await region.abilities()).toMatchObject({
        versioning: true,
        lock: 'with-object',
        etagIsMd5: true,
        ...expectations,
      });
      const file = join(dir, 'locked.json');
      expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ bucket: 'locked' });
      expect((await region.abilities()).clockSkewMs).toBeLessThan(60_000);
      using again = open('locked');
      expect(await again.abilities()).toEqual(await region.abilities());
      using plain = open('plain');
      expect(await plain.abilities()).toMatchObject({
        versioning: false,
        lock: 'none',
        lockOnMultipart: 'none',
      });
    });

    test('a small object is there as it was sent, and is locked', async () => {
      const file = writeFile(dir, 70_000);
      const lockUntil = later(3_600_000);
      const stored = await put('site/wal/a small+one (1).pgp', file, { lockUntil });
      expect(stored).toMatchObject({ bytes: 70_000, sha256: file.sha256, lockedUntil: lockUntil });
      expect(await region.head('site/wal/a small+one (1).pgp')).toMatchObject({ etag: stored.etag });
      expect(await buffer(await region.get(stored.name))).toEqual(readFileSync(file.path));
      const range = { start: 100, end: 199 };
      const some = await buffer(await region.get(stored.name, { range }));
      expect(some).toEqual(readFileSync(file.path).subarray(100, 200));
    });

    test('an empty object is one too', async () => {
      const file = writeFile(dir, 0);
      expect(await put('site/empty', file)).toMatchObject({ bytes: 0, sha256: file.sha256 });
      expect(await buffer(await region.get('site/empty'))).toHaveLength(0);
    });

    test('a large object arrives in parts, whole and locked', async () => {
      const file = writeFile(dir, 12 * MIB + 5);
      const kept = state();
      const lockUntil = later(3_600_000);
      const progress: number[] = [];
      const stored = await put('site/dump/large', file, {
        lockUntil,
        state: kept,
        onProgress: (sent: number) => progress.push(sent),
      });
      expect(stored).toMatchObject({ bytes: file.bytes, lockedUntil: lockUntil });
      expect(stored.etag).toMatch(/-3$/);
      expect(kept.upload).toBeNull();
      expect(progress).toEqual(progress.toSorted((a, b) => a - b));
      expect(progress.at(-1)).toBe(file.bytes);
      const back = await buffer(await region.get('site/dump/large'));
      expect(createHash('sha256').update(back).digest('hex')).toBe(file.sha256);
    });

    test('an upload that was ended in the middle goes on from the parts that are there', async () => {
      const file = writeFile(dir, 17 * MIB);
      const kept = state();
      const ending = new AbortController();
      const save = kept.save;
      kept.save = (upload) => {
        save(upload);
        if (upload !== null && upload.parts.length > 0) ending.abort(new Error('the power went'));
      };
      const interrupted = put('site/dump/resumed', file, { state: kept, signal: ending.signal });
      await expect(interrupted).rejects.toThrow('the power went');
      expect(await region.head('site/dump/resumed')).toBeNull();
      const before = kept.upload as MultipartUpload;
      kept.save = save;
      const stored = await put('site/dump/resumed', file, { state: kept });
      expect(stored).toMatchObject({ bytes: file.bytes, sha256: file.sha256 });
      expect(
        kept.saved.filter((upload) => upload !== null).every((upload) => upload.uploadId === before.uploadId),
      ).toBe(true);
    });

    test('an upload that the region has forgotten is begun anew', async () => {
      const file = writeFile(dir, 6 * MIB);
      const kept = state();
      kept.upload = { uploadId: 'unknown-upload', partBytes: 5 * MIB, parts: [] };
      expect(await put('site/dump/forgotten', file, { state: kept })).toMatchObject({ bytes: file.bytes });
    });

    test('an object that is there already is not sent again, and keeps its one version', async () => {
      for (const bytes of [1000, 6 * MIB]) {
        const file = writeFile(dir, bytes);
        const first = await put(`site/twice-${bytes}`, file);
        const second = await put(`site/twice-${bytes}`, file, { lockUntil: later(60_000) });
        expect(second.versionId).toBe(first.versionId);
        expect(second.lockedUntil).not.toBeNull();
        const versions = await Array.fromAsync(region.versions(`site/twice-${bytes}`));
        expect(versions.map(({ versionId }) => versionId)).toEqual([first.versionId]);
      }
    });

    test('a file that is not what was sealed never becomes an object', async () => {
      for (const bytes of [1000, 6 * MIB]) {
        const file = writeFile(dir, bytes);
        const damaged = { ...file, sha256: 'ab'.repeat(32) };
        await expect(put(`site/damaged-${bytes}`, damaged)).rejects.toMatchObject({ code: 'FILE_CHANGED' });
        expect(await region.head(`site/damaged-${bytes}`)).toBeNull();
        const shorter = { ...file, bytes: file.bytes + 1 };
        await expect(put(`site/damaged-${bytes}`, shorter)).rejects.toMatchObject({ code: 'FILE_CHANGED' });
      }
    });

    test('what is not there is null to ask for and an error to get', async () => {
      expect(await region.head('site/nothing')).toBeNull();
      await expect(region.get('site/nothing')).rejects.toMatchObject({ code: 'REGION_NOT_FOUND' });
    });

    test('lists in the order of names, from behind a name', async () => {
      const file = writeFile(dir, 10);
      for (const name of ['list/b', 'list/é', 'list/a', 'list/a b', 'other/a']) await put(name, file);
      const names = async (options = {}) =>
        (await Array.fromAsync(region.list('list/', options))).map(({ name }) => name);
      expect(await names()).toEqual(['list/a', 'list/a b', 'list/b', 'list/é']);
      expect(await names({ after: 'list/a b' })).toEqual(['list/b', 'list/é']);
    });

    test('what was removed is hidden, and its versions are not lost', async () => {
      const file = writeFile(dir, 500);
      const stored = await put('site/hidden', file, { lockUntil: later(60_000) });
      await region.remove('site/hidden');
      await region.remove('site/hidden-never-there');
      expect(await region.head('site/hidden')).toBeNull();
      const versions = await Array.fromAsync(region.versions('site/hidden'));
      expect(versions.filter(({ name }) => name === 'site/hidden')).toMatchObject([
        { isDeleteMarker: false, isLatest: false, bytes: 500 },
        { isDeleteMarker: true, isLatest: true },
      ]);
      const again = await region.get('site/hidden', { versionId: stored.versionId as string });
      expect(await buffer(again)).toEqual(readFileSync(file.path));
    });

    test('a bucket without versions and lock takes objects, small and large', async () => {
      using plain = open('plain');
      for (const bytes of [1000, 6 * MIB]) {
        const file = writeFile(dir, bytes);
        const options = { signal, state: state(), lockUntil: later(60_000) };
        expect(await plain.put(`plain/${bytes}`, file, options)).toMatchObject({ bytes, lockedUntil: null });
        await plain.remove(`plain/${bytes}`);
        expect(await plain.head(`plain/${bytes}`)).toBeNull();
      }
    });

    test('copies ciphertext to another region, and goes on with a copy that was ended', async () => {
      const file = writeFile(dir, 6 * MIB);
      await put('site/copied', file);
      using to = open('plain', 'other');
      const object = { name: 'site/copied', bytes: file.bytes, sha256: file.sha256 };
      const stored = await copyObject(region, to, object, { dir, signal, state: state() });
      expect(stored).toMatchObject({ bytes: file.bytes, sha256: file.sha256 });
      const back = await buffer(await to.get('site/copied'));
      expect(createHash('sha256').update(back).digest('hex')).toBe(file.sha256);
    });

    test('names a bucket that is not there, and credentials that are refused, and prints no secret', async () => {
      using missing = open('no-such-bucket');
      const noBucket = await missing.abilities().catch((error) => error);
      expect(noBucket).toMatchObject({ code: 'REGION_BUCKET_MISSING', region: 'no-such-bucket' });
      using refused = openRegion({
        name: 'refused',
        endpoint: server.endpoint,
        bucket: 'locked',
        credentials: new RegionCredentials(server.accessKeyId, 'secret-of-somebody-else'),
        abilitiesFile: null,
      });
      const error = await refused.abilities().catch((reason) => reason);
      expect(error).toMatchObject({ code: 'REGION_REFUSED', advice: expect.stringContaining('credentials') });
      expect(inspect([error, refused, noBucket], { depth: 20, showHidden: true })).not.toMatch(SECRETS);
    });
  });
}
