import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SealedObject } from '../format/object.ts';
import type { Reader } from '../restore/objects.ts';
import { describeSpan, joinRanges } from './join-ranges.ts';
import { linesOf } from './lines.ts';
import { bringLogBack, type LogBackOptions } from './log-back.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skooly-log-back-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const lineOf = (seq: number, word = 'x') => `{"seq":${seq},"word":"${word}"}`;
const lines = (from: number, to: number, word?: string) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${lineOf(from + i, word)}\n`).join('');

/** An object whose name tells its content, so that the reader below needs no store. */
function range(
  fromSeq: number,
  toSeq: number,
  options: { epoch?: string; day?: number; text?: string } = {},
) {
  const { epoch = 'e1', day = 1, text = lines(fromSeq, toSeq) } = options;
  const about = { epoch, fromSeq, toSeq };
  const sealedAt = `2026-11-0${day}T02:00:00Z`;
  return { name: text, kind: 'sync-log', bytes: 9, plain: { sha256: text }, sealedAt, about } as SealedObject;
}

const damaged = new Set<string>();
const reader: Reader = {
  sources: ['paris', 'douala'].map((name) => ({
    name,
    get: async (object) => Readable.from([Buffer.from(`${damaged.has(name) ? 'x' : ''}${object}`)]),
  })),
  open(cipher) {
    async function* open() {
      for await (const chunk of cipher) {
        if (!String(chunk).startsWith('x')) yield chunk;
        else {
          yield Buffer.from(lines(1, 2, 'spoilt'));
          throw Object.assign(new Error('its SHA-256 differs'), { code: 'OBJECT_ALTERED' });
        }
      }
    }
    return Readable.from(open());
  },
};
afterEach(() => damaged.clear());

const bring = (objects: SealedObject[], options: Partial<LogBackOptions> = {}) =>
  bringLogBack({
    site: 'mvan',
    objects,
    reader,
    file: join(dir, 'log'),
    nowMs: () => 0,
    signal: AbortSignal.timeout(10_000),
    ...options,
  });
const written = () => {
  const [head = '', ...rest] = readFileSync(join(dir, 'log'), 'utf8').split(/(?<=\n)/);
  return { head: JSON.parse(head), body: rest.join('') };
};

test('ranges of one epoch become one log, whatever order they come in', async () => {
  await bring([range(4, 6), range(1, 3), range(7, 7)]);
  expect(written()).toEqual({
    head: { format: 'skooly-edge/sync-log/1', site: 'mvan', epoch: 'e1', fromSeq: 1, toSeq: 7 },
    body: lines(1, 7),
  });
  expect(statSync(join(dir, 'log')).mode & 0o777).toBe(0o600);
});

test('a gap is refused and named, and what follows it can be brought back alone', async () => {
  const holed = [range(1, 3), range(6, 8), range(10, 12)];
  await expect(bring(holed)).rejects.toMatchObject({
    code: 'SYNC_LOG_GAP',
    exitCode: 41,
    message: expect.stringContaining('lacks 4–5, 9; it is whole from 10 on'),
  });
  await expect(bring(holed, { from: 9 })).rejects.toMatchObject({ code: 'SYNC_LOG_GAP' });
  expect(readdirSync(dir)).toEqual([]);
  await bring(holed, { from: 11 });
  expect(written()).toMatchObject({ head: { fromSeq: 11, toSeq: 12 }, body: lines(11, 12) });
});

test('what was exported twice counts once when it is the same, and is refused when it is not', async () => {
  const [first, again] = [range(1, 4), range(3, 6)];
  expect(joinRanges([first, again, range(1, 4)])[0]?.overlaps.map(describeSpan)).toEqual(['3–4']);
  await bring([first, again, range(2, 3), range(1, 4)]);
  expect(written().body).toBe(lines(1, 6));
  rmSync(join(dir, 'log'));
  const other = range(3, 6, { text: lines(3, 3) + lines(4, 6, 'other') });
  await expect(bring([first, other])).rejects.toMatchObject({
    code: 'SYNC_LOG_DIFFERS',
    message: expect.stringContaining('other words for 4 '),
  });
  expect(readdirSync(dir)).toEqual([]);
});

test('the newest epoch is brought back, or the one that is asked for, and the others are named', async () => {
  const objects = [range(1, 9, { epoch: 'old' }), range(1, 2, { epoch: 'new', day: 3 })];
  const seen: string[] = [];
  await bring(objects, { onChoice: (_, others) => seen.push(...others.map(({ epoch }) => epoch)) });
  expect([written().head.epoch, seen]).toEqual(['new', ['old']]);
  rmSync(join(dir, 'log'));
  await bring(objects, { epoch: 'old' });
  expect(written().head).toMatchObject({ epoch: 'old', toSeq: 9 });
  await expect(bring(objects, { epoch: 'none', file: join(dir, 'b') })).rejects.toMatchObject({
    code: 'SYNC_LOG_MISSING',
    message: expect.stringContaining('of new (1–2), old (1–9)'),
  });
  await expect(bring([])).rejects.toMatchObject({ code: 'SYNC_LOG_MISSING', exitCode: 40 });
});

test('what a damaged object gave before it was found out is replaced by the other region', async () => {
  damaged.add('paris');
  await bring([range(1, 2), range(3, 5)]);
  expect(written().body).toBe(lines(1, 5));
  damaged.add('douala');
  const file = join(dir, 'second');
  await expect(bring([range(1, 2)], { file })).rejects.toMatchObject({ code: 'RESTORE_OBJECT_DAMAGED' });
  expect(readdirSync(dir)).toEqual(['log']);
});

test('an object with fewer lines than it says is refused, and a file that is there stays as it is', async () => {
  await expect(bring([range(1, 4, { text: lines(1, 3) })])).rejects.toMatchObject({
    code: 'SYNC_LOG_DIFFERS',
  });
  await bring([range(1, 1)]);
  await expect(bring([range(1, 2)])).rejects.toMatchObject({ code: 'SYNC_LOG_FILE' });
  expect(written().body).toBe(lines(1, 1));
});

test('lines end at line feeds alone, wherever the chunks of the stream end', async () => {
  const text = 'a\u2028b\r\n\nüber\nlast';
  const bytes = Buffer.from(text);
  const chunks = Readable.from([...bytes].map((byte) => Buffer.from([byte])));
  const found = await Array.fromAsync(linesOf(chunks), String);
  expect(found).toEqual(['a\u2028b\r', '', 'über', 'last']);
});
