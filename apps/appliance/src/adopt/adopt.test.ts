import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PushTarget } from '../push/drain.ts';
import { adoptLog } from './adopt.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skooly-adopt-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const head = { format: 'skooly-edge/sync-log/1', site: 'mvan', epoch: 'old', fromSeq: 4, toSeq: 6 };
const line = (seq: number) => ({ seq, committedAt: 1000 + seq, changes: [] });

function fileOf(lines: readonly object[]): string {
  const path = join(dir, 'log.ndjson');
  writeFileSync(path, lines.map((one) => `${JSON.stringify(one)}\n`).join(''));
  return path;
}

/** A cloud that has heard of the old log up to `seq`. */
function cloud(seq: number) {
  const heard: number[] = [];
  const answer = () => ({ cursor: { epoch: 'old', seq: Math.max(seq, heard.at(-1) ?? 0) }, parked: 0 });
  const relay: PushTarget = {
    sync: async () => answer(),
    pack: async (lines) => lines.map((text) => Buffer.from(text)),
    async push(header, packed) {
      expect(header).toMatchObject({ epoch: 'old', adopted: true });
      heard.push(...packed.flat().map((bytes) => JSON.parse(String(bytes)).seq));
      return answer();
    },
  };
  return { heard, relay };
}

const adopt = (path: string, relay: PushTarget, ownEpoch = 'own') =>
  adoptLog({ path, stateDir: dir, ownEpoch, relay }, AbortSignal.timeout(10_000));

test('of a log that was brought back, what the cloud has not heard of is pushed, and nothing twice', async () => {
  const path = fileOf([head, line(4), line(5), line(6)]);
  const { heard, relay } = cloud(4);
  expect(await adopt(path, relay)).toEqual({ epoch: 'old', pushed: 2, lastSeq: 6 });
  expect(await adopt(path, relay)).toMatchObject({ pushed: 0 });
  expect(heard).toEqual([5, 6]);
  expect(readdirSync(dir)).toEqual(['log.ndjson']);
});

test('a cloud that has heard more than the backup holds needs nothing of it', async () => {
  const { heard, relay } = cloud(9);
  const path = fileOf([head, line(4), line(5), line(6)]);
  expect(await adopt(path, relay)).toMatchObject({ pushed: 0, lastSeq: 6 });
  expect(heard).toEqual([]);
});

test('a log that begins after what the cloud has is refused, since what lies between would be skipped', async () => {
  const path = fileOf([head, line(4), line(5), line(6)]);
  await expect(adopt(path, cloud(2).relay)).rejects.toMatchObject({ code: 'LOG_BEGINS_LATE' });
  expect(await adopt(path, cloud(3).relay)).toMatchObject({ pushed: 3 });
});

test('a file that is cut, mixed up or of another kind is refused before anything is pushed', async () => {
  const { heard, relay } = cloud(3);
  const spoilt = [
    [head, line(4), line(5)],
    [head, line(4), line(6), line(5)],
    [head, line(4), line(5), line(6), line(7)],
    [{ ...head, format: 'skooly-edge/sync-log/2' }, line(4)],
    [line(4)],
  ];
  for (const lines of spoilt)
    await expect(adopt(fileOf(lines), relay)).rejects.toMatchObject({ code: 'LOG_UNREADABLE' });
  await expect(adopt(dir, relay)).rejects.toMatchObject({ code: 'LOG_NOT_FOUND' });
  await expect(adopt(fileOf([head, line(4), line(5), line(6)]), relay, 'old')).rejects.toMatchObject({
    code: 'LOG_IS_OWN',
  });
  expect(heard).toEqual([]);
});
