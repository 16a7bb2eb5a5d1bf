import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SealedObject } from '../format/object.ts';
import { serveWal } from './serve-wal.ts';

let folder: string;
let stop: AbortController;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serve-wal-'));
  stop = new AbortController();
});
afterEach(() => {
  stop.abort();
  rmSync(folder, { recursive: true, force: true });
});

const names = Array.from({ length: 20 }, (_, number) => String(number).padStart(24, '0'));

test('only the first of the WAL comes beside the base, and the rest once the base is there', async () => {
  const asked: string[] = [];
  const get = async (name: string) => {
    asked.push(name);
    return Readable.from([Buffer.from(name)]);
  };
  const segments = names.map((file) => ({ file, objects: [{ name: file } as SealedObject] }));
  const service = await serveWal({
    folder,
    files: { segments, histories: [] },
    reader: { sources: [{ name: 'paris', get }], open: (cipher) => cipher },
    owner: {},
    signal: stop.signal,
    onSegment: () => undefined,
  });
  const ready = () => readdirSync(join(folder, 'ready')).sort();
  await expect.poll(ready).toEqual(names.slice(0, 8));
  await sleep(100);
  expect(asked).toHaveLength(8);
  service.baseIsThere();
  await service.done;
  expect(ready()).toEqual(names);
});
