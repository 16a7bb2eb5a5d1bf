import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Part, readParts } from './read-parts.ts';

const partBytes = 64 * 1024;
const content = randomBytes(10 * partBytes + 100);
const sha256 = createHash('sha256').update(content).digest('hex');
let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'parted-file-'));
  path = join(dir, 'file');
  writeFileSync(path, content);
});
afterEach(() => rmSync(dir, { recursive: true }));

const parts = (region: string) => readParts({ path, bytes: content.length, sha256 }, partBytes, region);
const next = async (from: AsyncGenerator<Part>) => (await from.next()).value as Part;
const expected = (number: number) => content.subarray((number - 1) * partBytes, number * partBytes);

test('two regions that are at the same part share its memory', async () => {
  const [paris, douala] = [parts('paris'), parts('douala')];
  const [one, same] = await Promise.all([next(paris), next(douala)]);
  expect(same.body.buffer).toBe(one.body.buffer);
  expect(one.body.equals(expected(1))).toBe(true);
  await Promise.all([paris.return(undefined), douala.return(undefined)]);
});

test('a part that one region is sending stays as it is, however far the other goes', async () => {
  const [paris, douala] = [parts('paris'), parts('douala')];
  const held = await next(douala);
  for await (const part of paris) {
    expect(part.body.equals(expected(part.number))).toBe(true);
    part.release();
  }
  expect(held.body.equals(expected(1))).toBe(true);
  held.release();
  let number = 1;
  for await (const part of douala) {
    expect(part.number).toBe(++number);
    expect(part.body.equals(expected(number))).toBe(true);
    part.release();
  }
  expect(number).toBe(11);
});

test('what was given up while it may still be sent is never written over', async () => {
  const paris = parts('paris');
  const abandoned = await next(paris);
  const douala = parts('douala');
  const same = await next(douala);
  same.release();
  await paris.return(undefined);
  for await (const part of douala) part.release();
  expect(abandoned.body.equals(expected(1))).toBe(true);
});

test('a file that is not what was sealed is refused, by each region in its own name', async () => {
  const other = Buffer.from(content);
  other[partBytes + 1] = (other[partBytes + 1] as number) ^ 1;
  writeFileSync(path, other);
  const read = async (region: string) => {
    for await (const part of parts(region)) part.release();
  };
  const ended = await Promise.allSettled([read('paris'), read('douala')]);
  expect(ended.map((one) => one.status === 'rejected' && one.reason)).toMatchObject([
    { code: 'FILE_CHANGED', region: 'paris' },
    { code: 'FILE_CHANGED', region: 'douala' },
  ]);
});

test('a file that is gone is told as what it is, and can be read once it is back', async () => {
  rmSync(path);
  await expect(next(parts('paris'))).rejects.toMatchObject({ code: 'ENOENT' });
  writeFileSync(path, content);
  expect((await next(parts('paris'))).body.equals(expected(1))).toBe(true);
});
