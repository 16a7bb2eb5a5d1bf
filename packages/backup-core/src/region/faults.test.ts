import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryState, writeFile } from '../../../../test/contract/region.contract.ts';
import { type S3Server, startS3, testCredential } from '../../../../test/support/s3/s3.ts';
import { copyObject } from './copy.ts';
import type { PutOptions, Region } from './region.ts';
import { withRetry } from './retry.ts';
import { openRegion, type S3Region } from './s3-region.ts';
import { RegionCredentials, type RegionSettings } from './settings.ts';

const MIB = 1024 * 1024;

describe('a region whose server fails', () => {
  let dir: string;
  let server: S3Server;
  let region: S3Region;
  let patient: Region;
  let pauses: number[];
  let state: MemoryState;
  const { signal } = new AbortController();
  const lockUntil = () => new Date(Date.now() + 3_600_000);
  const options = (more: Partial<PutOptions> = {}): PutOptions => ({ signal, state, ...more });

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'skooly-faults-'));
    state = new MemoryState();
    pauses = [];
    server = await startS3({ buckets: [{ name: 'backups', lock: true }] });
    region = open();
    patient = withRetry(region, {
      random: () => 0,
      pause: async (ms) => {
        pauses.push(ms);
      },
    });
    await region.abilities();
    server.requests.length = 0;
  });
  afterEach(async () => {
    region.close();
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  function open(credential = testCredential, more: Partial<RegionSettings> = {}): S3Region {
    return openRegion({
      name: 'paris',
      endpoint: server.endpoint,
      bucket: 'backups',
      credentials: new RegionCredentials(credential.accessKeyId, credential.secretAccessKey),
      abilitiesFile: null,
      partBytes: 5 * MIB,
      ...more,
    });
  }

  const seen = (operation: string) => server.requests.filter((request) => request.operation === operation);

  test('that answers 503 is unreachable, and is tried again with growing pauses', async () => {
    const file = writeFile(dir, 1000);
    server.faults.add({ on: 'PutObject', times: 3, refuse: { status: 503, code: 'SlowDown' } });
    await expect(region.put('a', file, options())).rejects.toMatchObject({
      code: 'REGION_UNREACHABLE',
      region: 'paris',
      mayPass: true,
      message: 'Region paris answers 503 (SlowDown).',
    });
    expect(await patient.put('a', file, options())).toMatchObject({ bytes: 1000 });
    expect(pauses).toEqual([250, 500]);
  });

  test('that is full is said to be full, and is not tried again', async () => {
    server.behaviour.full = true;
    for (const bytes of [1000, 6 * MIB])
      await expect(patient.put('a', writeFile(dir, bytes), options())).rejects.toMatchObject({
        code: 'REGION_FULL',
      });
    expect(pauses).toEqual([]);
    server.behaviour.full = false;
    expect(await patient.put('a', writeFile(dir, 1000), options())).toMatchObject({ bytes: 1000 });
  });

  test('that nobody answers for is unreachable within its time limits', async () => {
    const file = writeFile(dir, 1000);
    server.faults.add({ on: 'HeadObject', times: 1, hang: true });
    using hasty = open(testCredential, { timeouts: { idleMs: 300 } });
    await expect(hasty.head('a')).rejects.toMatchObject({ code: 'REGION_UNREACHABLE' });
    await server.close();
    await expect(region.put('a', file, options())).rejects.toMatchObject({ code: 'REGION_UNREACHABLE' });
    server = await startS3();
  });

  test('that cuts a part in its middle gets that part again, and no other', async () => {
    const file = writeFile(dir, 14 * MIB);
    server.faults.add({ on: 'UploadPart', after: 1, times: 1, cutAfterBytes: 2 * MIB });
    expect(await patient.put('a', file, options())).toMatchObject({ bytes: file.bytes });
    expect(seen('UploadPart').filter(({ status }) => status === 200)).toHaveLength(3);
    expect(seen('CreateMultipartUpload')).toHaveLength(1);
  });

  test('that cuts the answer has the object once, whatever it was asked', async () => {
    const large = writeFile(dir, 6 * MIB);
    for (const on of ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'] as const) {
      state = new MemoryState();
      server.faults.add({ on, key: on, times: 1, cutAnswer: true });
      await patient.put(on, large, options());
      expect(await Array.fromAsync(region.versions(on))).toHaveLength(1);
    }
    server.faults.add({ on: 'PutObject', times: 1, cutAnswer: true });
    await patient.put('small', writeFile(dir, 1000), options());
    expect(await Array.fromAsync(region.versions('small'))).toHaveLength(1);
    expect(pauses).toHaveLength(4);
  });

  test('that keeps other bytes than it was sent is not believed, since it checks none of them', async () => {
    server.behaviour.ignoreChecksums = 'all';
    const file = writeFile(dir, 1000);
    server.faults.add({ on: 'PutObject', drop: true, times: 1 });
    await expect(region.put('a', file, options())).rejects.toMatchObject({
      code: 'REGION_LIED',
      message: 'Region paris acknowledged a and does not have it.',
    });
    expect(await region.put('a', file, options())).toMatchObject({ bytes: 1000 });
  });

  test('that loses a part which it acknowledged cannot finish, and is sent that part again', async () => {
    const file = writeFile(dir, 11 * MIB);
    server.faults.add({ on: 'UploadPart', after: 1, times: 1, drop: true });
    await expect(region.put('a', file, options())).rejects.toMatchObject({
      code: 'REGION_LIED',
      message: 'Region paris lost a part of a that it had acknowledged.',
    });
    server.requests.length = 0;
    expect(await region.put('a', file, options())).toMatchObject({ bytes: file.bytes });
    expect(seen('UploadPart')).toHaveLength(1);
  });

  test('that forgets locks in every way is caught', async () => {
    server.behaviour.ignoreLockOnPut = true;
    const file = writeFile(dir, 1000);
    const stored = await region.put('a', file, options({ lockUntil: lockUntil() }));
    expect(stored.lockedUntil).not.toBeNull();
    server.behaviour.ignoreRetention = true;
    await expect(region.put('b', file, options({ lockUntil: lockUntil() }))).rejects.toMatchObject({
      code: 'REGION_LIED',
      message: expect.stringContaining('holds b locked not at all'),
    });
  });

  test('that gives other bytes than the manifest says is named when they are copied elsewhere', async () => {
    const file = writeFile(dir, 100_000);
    server.faults.add({ on: 'PutObject', flip: true, times: 1 });
    await region.put('a', file, options());
    const object = { name: 'a', bytes: file.bytes, sha256: file.sha256 };
    await expect(copyObject(region, region, object, { ...options(), dir })).rejects.toMatchObject({
      code: 'REGION_LIED',
      region: 'paris',
    });
  });

  test('that breaks a download off is asked for the rest, and never looks complete', async () => {
    const file = writeFile(dir, 3 * MIB);
    await region.put('a', file, options());
    server.faults.add({ on: 'GetObject', times: 3, breakOffAfterBytes: MIB });
    await expect(region.get('a').then(buffer)).rejects.toMatchObject({ code: 'REGION_UNREACHABLE' });
    expect(await patient.get('a').then(buffer)).toEqual(readFileSync(file.path));
    const range = { start: 10, end: 2 * MIB };
    server.faults.add({ on: 'GetObject', times: 1, breakOffAfterBytes: MIB });
    const some = await patient.get('a', { range }).then(buffer);
    expect(some.equals(readFileSync(file.path).subarray(10, 2 * MIB + 1))).toBe(true);
  });

  test('whose clock is far away is written to by its own clock, and the distance is known', async () => {
    const hourMs = 3_600_000;
    server.behaviour.clockSkewMs = 5 * hourMs;
    using other = open();
    const { clockSkewMs } = await other.abilities();
    expect(Math.abs(clockSkewMs - 5 * hourMs)).toBeLessThan(60_000);
    expect(await other.put('a', writeFile(dir, 1000), options())).toMatchObject({ bytes: 1000 });
    const error = await region.put('b', writeFile(dir, 6 * MIB), options()).catch((reason) => reason);
    expect(['REGION_CLOCK', 'REGION_REFUSED']).toContain(error.code);
    expect(await region.put('b', writeFile(dir, 1000), options())).toMatchObject({ bytes: 1000 });
  });

  test('that takes the credentials back refuses, and nobody tries again', async () => {
    server.credentials = [];
    await expect(patient.put('a', writeFile(dir, 1000), options())).rejects.toMatchObject({
      code: 'REGION_REFUSED',
      mayPass: false,
    });
    expect(pauses).toEqual([]);
  });

  test('holds a host to what a host may do: put, read and hide, delete no version', async () => {
    const host = { accessKeyId: 'HOST', secretAccessKey: 'secret-of-host', may: 'host' as const };
    server.credentials = [testCredential, host];
    using its = open(host);
    expect(await its.abilities()).toMatchObject({ lock: 'with-object', versioning: true });
    const file = writeFile(dir, 6 * MIB);
    const stored = await its.put('a', file, options({ lockUntil: lockUntil() }));
    await its.remove('a');
    expect(await buffer(await its.get('a', { versionId: stored.versionId as string }))).toHaveLength(
      file.bytes,
    );
  });

  test('an upload ends at once with its signal, for its reason', async () => {
    server.faults.add({ on: 'UploadPart', bytesPerSecond: 200_000 });
    const ending = new AbortController();
    const put = region.put('a', writeFile(dir, 6 * MIB), options({ signal: ending.signal }));
    setTimeout(() => ending.abort(new Error('enough')), 200);
    await expect(put).rejects.toThrow('enough');
  });

  test('goes on after a restart of the server with the parts that are there', async () => {
    await server.close();
    const data = join(dir, randomBytes(4).toString('hex'));
    const buckets = [{ name: 'backups', lock: true }];
    server = await startS3({ dir: data, buckets });
    region.close();
    region = open(testCredential, { partsAtOnce: 1 });
    const file = writeFile(dir, 11 * MIB);
    server.faults.add({
      on: 'UploadPart',
      key: 'kept',
      after: 2,
      refuse: { status: 500, code: 'InternalError' },
    });
    await expect(region.put('kept', file, options())).rejects.toMatchObject({ code: 'REGION_UNREACHABLE' });
    await server.close();
    server = await startS3({ dir: data, buckets });
    region.close();
    region = open();
    expect(await region.put('kept', file, options())).toMatchObject({ bytes: file.bytes });
    expect(seen('UploadPart').filter(({ key }) => key === 'kept')).toHaveLength(1);
  });
});
