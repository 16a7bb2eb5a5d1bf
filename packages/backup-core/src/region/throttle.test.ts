import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryState, writeFile } from '../../../../test/contract/region.contract.ts';
import { startS3, testCredential } from '../../../../test/support/s3/s3.ts';
import { openRegion } from './s3-region.ts';
import { RegionCredentials } from './settings.ts';
import { rateAt, Throttle, type ThrottlePolicy, withThrottle } from './throttle.ts';

const { signal } = new AbortController();
const policy: ThrottlePolicy = {
  bytesPerSecond: null,
  hours: [
    { from: 7, to: 18, bytesPerSecond: 32_000 },
    { from: 22, to: 2, bytesPerSecond: 0 },
  ],
  utcOffsetMinutes: 60,
};
const at = (time: string) => Date.parse(`2026-03-02T${time}:00Z`);

/** Time that passes only where it is waited for. */
function clockFrom(startMs: number) {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    pause: async (ms: number) => {
      nowMs += ms;
    },
  };
}

test('the rate is that of the local hour, over midnight too', () => {
  expect(rateAt(policy, at('05:59'))).toBeNull();
  expect(rateAt(policy, at('06:00'))).toBe(32_000);
  expect(rateAt(policy, at('16:59'))).toBe(32_000);
  expect(rateAt(policy, at('17:00'))).toBeNull();
  expect(rateAt(policy, at('21:30'))).toBe(0);
  expect(rateAt(policy, at('00:30'))).toBe(0);
  expect(rateAt(policy, at('01:00'))).toBeNull();
});

test('bytes of all that share it leave at the rate', async () => {
  const clock = clockFrom(at('10:00'));
  const throttle = new Throttle(policy, clock);
  for (let sent = 0; sent < 320_000; sent += 16_000) await throttle.pass(16_000, signal);
  const seconds = (clock.now() - at('10:00')) / 1000;
  expect(seconds).toBeGreaterThanOrEqual(9.5);
  expect(seconds).toBeLessThanOrEqual(10);
});

test('nothing begins in closed hours, and what was begun goes on as it began', async () => {
  const clock = clockFrom(at('20:59'));
  const open: ThrottlePolicy = { ...policy, bytesPerSecond: 1000 };
  const throttle = new Throttle(open, clock);
  await throttle.pass(120_000, signal);
  const before = clock.now();
  await throttle.pass(1000, signal);
  expect(clock.now() - before).toBe(1000);
  await throttle.open(signal);
  expect(clock.now()).toBeGreaterThanOrEqual(at('01:00') + 24 * 3_600_000);
});

test('an upload through a throttle arrives whole, small and in parts, and tells its progress', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-throttle-'));
  await using server = await startS3({ buckets: [{ name: 'backups', lock: true }] });
  using region = openRegion({
    name: 'paris',
    endpoint: server.endpoint,
    bucket: 'backups',
    credentials: new RegionCredentials(testCredential.accessKeyId, testCredential.secretAccessKey),
    abilitiesFile: null,
  });
  const passed: number[] = [];
  const throttled = withThrottle(region, {
    open: async () => undefined,
    pass: async (bytes) => {
      passed.push(bytes);
    },
  });
  for (const bytes of [100_000, 9 * 1024 * 1024]) {
    passed.length = 0;
    const progress: number[] = [];
    const onProgress = (sent: number) => progress.push(sent);
    const file = writeFile(dir, bytes);
    const stored = await throttled.put(`a-${bytes}`, file, { signal, state: new MemoryState(), onProgress });
    expect(stored).toMatchObject({ bytes, sha256: file.sha256 });
    expect(passed.reduce((all, some) => all + some, 0)).toBe(bytes);
    expect(progress.length).toBeGreaterThan(2);
    expect(progress.at(-1)).toBe(bytes);
  }
  rmSync(dir, { recursive: true, force: true });
});
