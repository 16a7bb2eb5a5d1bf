import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryManifestStore } from '../../../../test/support/memory-manifest-store.ts';
import type { SealedObject } from '../format/object.ts';
import { type ManifestKey, manifestKeyFrom, type TrustedKey } from '../keys/manifest-key.ts';
import { adoptManifest } from './adopt.ts';
import type { Head } from './entry.ts';
import { ManifestWriter } from './manifest-writer.ts';
import { type ReadOptions, readManifest } from './read-manifest.ts';
import { readRegions } from './read-regions.ts';
import { numberPrefix, signEntry } from './signed-entry.ts';

const site = 'mvan';
let dir: string;
let key: ManifestKey;
let trusted: TrustedKey[];
let paris: MemoryManifestStore;
let douala: MemoryManifestStore;
let now: Date;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'manifest-'));
  key = newKey();
  trusted = [{ site, publicKey: key.publicKey }];
  paris = new MemoryManifestStore('paris');
  douala = new MemoryManifestStore('douala');
  now = new Date('2026-11-23T02:00:00Z');
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('a manifest', () => {
  it('tells what is live, and by which entry', async () => {
    const writer = await written(['a', 'b'], ['c', '-a']);
    const read = await readManifest(paris, options());
    expect(named(read.live)).toEqual({ b: 1, c: 2 });
    expect(read.head).toEqual(writer.head);
    expect(read.head.number).toBe(2);
  });

  it('is the same bytes in each region', async () => {
    const writer = await written(['a'], ['b'], ['-a']);
    await writer.deliver(douala);
    expect(douala.files).toEqual(paris.files);
  });

  it('goes on after a restart, and begins each day with a checkpoint', async () => {
    await written(['a'], ['b']);
    now = new Date('2026-11-24T02:00:00Z');
    const writer = await open();
    await writer.append({ put: [object('c')], removed: [{ name: object('a').name, reasons: ['old'] }] });
    await writer.append({ put: [object('d')] });
    await writer.deliver(paris);
    const read = await readManifest(paris, options());
    expect(named(read.live)).toEqual({ b: 2, c: 3, d: 4 });
    expect(read.chain.map(({ number }) => number)).toEqual([3, 4]);
    expect(await liveOf(writer)).toEqual({ b: 2, c: 3, d: 4 });
  });

  it('names a page again that has not changed, and drops one that is empty', async () => {
    const writer = await written([], ['a'], ['b']);
    const days = ['2026-11-24', '2026-11-25', '2026-11-26'];
    const pages: string[][] = [];
    for (const [index, day] of days.entries()) {
      now = new Date(`${day}T02:00:00Z`);
      await writer.append(
        index === 2
          ? { removed: ['a', 'b'].map((name) => ({ name: object(name).name, reasons: ['old'] })) }
          : { put: [object(`on-${day}`)] },
      );
      await writer.deliver(paris);
      pages.push([...paris.files.keys()].filter((name) => name.includes('/page/')));
    }
    expect(pages[0]).toHaveLength(2);
    expect(pages[1]).toHaveLength(3);
    expect(pages[2]).toHaveLength(3);
    expect(named((await readManifest(paris, options())).live)).toEqual({
      'on-2026-11-24': 4,
      'on-2026-11-25': 5,
    });
  });

  it('is found without listing years of entries', async () => {
    let previous: string | null = null;
    for (let number = 1; number <= 12_345; number += 1) {
      const entry = { v: 1 as const, site, number, previous, at: now.toISOString(), removed: [] };
      const checkpoint = number === 12_300 ? { checkpoint: { objects: 0, pages: [] } } : {};
      const file = signEntry({ ...entry, put: [object(`o${number}`)], ...checkpoint }, key);
      paris.files.set(file.name, file.bytes);
      previous = file.sha256;
    }
    const read = await readManifest(paris, options());
    expect(read.head.number).toBe(12_345);
    expect(read.live).toHaveLength(45);
    expect(paris.requests).toBeLessThan(150);
  });

  it('keeps on disk only what a region or the next checkpoint needs', async () => {
    const writer = await written(['a']);
    await writer.deliver(douala);
    for (const name of ['b', 'c']) await writer.append({ put: [object(name)] });
    now = new Date('2026-11-24T02:00:00Z');
    await writer.append({ put: [object('d')] });
    await writer.deliver(paris);
    await writer.tidy(['paris', 'douala']);
    expect(readdirSync(join(dir, 'writer/entries'))).toHaveLength(3);
    expect(await liveOf(await open())).toEqual({ a: 1, b: 2, c: 3, d: 4 });
    await writer.deliver(douala);
    await writer.tidy(['paris', 'douala']);
    expect(readdirSync(join(dir, 'writer/entries'))).toEqual(['000000000004.json']);
    const again = await open();
    expect(await liveOf(again)).toEqual({ a: 1, b: 2, c: 3, d: 4 });
  });
});

describe('two regions', () => {
  it('one that was away gets every entry in order, later', async () => {
    const writer = await written(['a']);
    douala.away = true;
    await expect(writer.deliver(douala)).rejects.toThrow('douala is away');
    await writer.append({ put: [object('b')] });
    await writer.deliver(paris);
    douala.away = false;
    await (await open()).deliver(douala);
    expect(douala.files).toEqual(paris.files);
  });

  it.each([1, 2, 3])(
    'a cut after %i puts leaves nothing that a second delivery does not mend',
    async (puts) => {
      const writer = await open();
      await writer.append({ put: [object('a')] });
      await writer.append({ put: [object('b')] });
      paris.putsUntilCut = puts;
      await expect(writer.deliver(paris)).rejects.toThrow('cut');
      await (await open()).deliver(paris);
      expect(named((await readManifest(paris, options())).live)).toEqual({ a: 1, b: 2 });
      expect(paris.files.size).toBe(3);
    },
  );

  it('the one that is further on counts, and the other is named', async () => {
    const writer = await written(['a']);
    await writer.deliver(douala);
    await writer.append({ put: [object('b')] });
    await writer.deliver(paris);
    const { manifest, behind, failed } = await readRegions([douala, paris], options());
    expect(named(manifest.live)).toEqual({ a: 1, b: 2 });
    expect(behind).toMatchObject([{ store: 'douala', head: { number: 1 } }]);
    expect(failed).toEqual([]);
  });

  it('a damaged one is named, and the other is read', async () => {
    const writer = await written(['a']);
    await writer.deliver(douala);
    flip(douala, entryOf(douala, 1), 20);
    const { manifest, failed } = await readRegions([douala, paris], options());
    expect(manifest.store).toBe('paris');
    expect(failed).toMatchObject([{ store: 'douala', error: { code: 'MANIFEST_ALTERED' } }]);
  });

  it('two that tell different stories are refused', async () => {
    await written(['a']);
    const other = await ManifestWriter.open({ site, key, dir: join(dir, 'other'), now: () => now });
    await other.append({ put: [object('b')] });
    await other.append({ put: [object('c')] });
    await other.deliver(douala);
    await expect(readRegions([paris, douala], options())).rejects.toMatchObject({ code: 'MANIFEST_FORKED' });
  });
});

describe('what is refused by name', () => {
  const whole = async () => {
    await written(['a'], ['b'], ['c']);
  };

  it('a flipped byte, wherever it is', async () => {
    await whole();
    const name = entryOf(paris, 2);
    const { length } = paris.files.get(name) as Buffer;
    for (let at = 0; at < length; at += 7) {
      flip(paris, name, at);
      await expect(readManifest(paris, options())).rejects.toMatchObject({
        code: expect.stringMatching(/^MANIFEST_(ALTERED|TRUNCATED|UNTRUSTED)$/),
        object: name,
      });
      flip(paris, name, at);
    }
  });

  it('a truncated entry, wherever it is cut', async () => {
    await whole();
    const name = entryOf(paris, 3);
    const bytes = paris.files.get(name) as Buffer;
    for (let length = 0; length < bytes.length; length += 11) {
      paris.files.set(name, bytes.subarray(0, length));
      await expect(readManifest(paris, options())).rejects.toMatchObject({
        code: expect.stringMatching(/^MANIFEST_(ALTERED|TRUNCATED)$/),
        object: name,
      });
    }
  });

  it('two entries that were swapped', async () => {
    await whole();
    const [two, three] = [entryOf(paris, 2), entryOf(paris, 3)];
    const bytes = paris.files.get(two) as Buffer;
    paris.files.set(two, paris.files.get(three) as Buffer).set(three, bytes);
    await expect(readManifest(paris, options())).rejects.toMatchObject({
      code: 'MANIFEST_SWAPPED',
      object: three,
    });
  });

  it('a missing entry', async () => {
    await whole();
    paris.files.delete(entryOf(paris, 2));
    await expect(readManifest(paris, options())).rejects.toMatchObject({
      code: 'MANIFEST_GAP',
      object: 'mvan/manifest/000000000002-',
    });
  });

  it('an entry of a key that is not trusted, or not for this site, or no longer', async () => {
    await whole();
    for (const wrong of [
      { site, publicKey: newKey().publicKey },
      { site: 'akwa', publicKey: key.publicKey },
      { site, publicKey: key.publicKey, lastEntry: 2 },
    ])
      await expect(readManifest(paris, { ...options(), trusted: [wrong] })).rejects.toMatchObject({
        code: 'MANIFEST_UNTRUSTED',
        object: entryOf(paris, 3),
      });
  });

  it('an entry that does not follow the one before, though it is signed', async () => {
    await whole();
    const name = entryOf(paris, 2);
    const text = (paris.files.get(name) as Buffer).toString().split('\n')[0] as string;
    paris.files.delete(name);
    const forged = signEntry({ ...JSON.parse(text), at: '2026-11-23T05:00:00.000Z' }, key);
    paris.files.set(forged.name, forged.bytes);
    await expect(readManifest(paris, options())).rejects.toMatchObject({
      code: 'MANIFEST_BROKEN_CHAIN',
      object: entryOf(paris, 3),
    });
  });

  it('a page that is gone, altered, or swapped', async () => {
    await whole();
    const page = [...paris.files.keys()].find((name) => name.includes('/page/')) as string;
    const bytes = paris.files.get(page) as Buffer;
    const refused = () =>
      expect(readManifest(paris, options())).rejects.toMatchObject({ code: 'MANIFEST_PAGE', object: page });
    flip(paris, page, 10);
    await refused();
    paris.files.set(page, bytes.subarray(0, -1));
    await refused();
    paris.files.delete(page);
    await refused();
  });

  it('an older state than was seen before', async () => {
    const writer = await written(['a'], ['b'], ['c']);
    const remembered = writer.head as Head;
    paris.files.delete(entryOf(paris, 3));
    await expect(readManifest(paris, { ...options(), remembered })).rejects.toMatchObject({
      code: 'MANIFEST_OLDER',
      message: expect.stringContaining('entry 2, and 3 has been seen'),
    });
  });

  it('another history than was seen before', async () => {
    await whole();
    const remembered = { number: 2, sha256: 'f'.repeat(64), at: now.toISOString() };
    await expect(readManifest(paris, { ...options(), remembered })).rejects.toMatchObject({
      code: 'MANIFEST_FORKED',
    });
  });

  it('a bucket without a manifest', async () => {
    await expect(readManifest(paris, options())).rejects.toMatchObject({ code: 'MANIFEST_EMPTY' });
  });
});

describe('a damaged manifest', () => {
  it('is read as far as an operator says', async () => {
    await written(['a'], ['b'], ['c']);
    flip(paris, entryOf(paris, 3), 5);
    const read = await readManifest(paris, { ...options(), upTo: 2 });
    expect(named(read.live)).toEqual({ a: 1, b: 2 });
  });

  it('is read past what a stranger laid beside a trusted entry', async () => {
    await written(['a'], ['b']);
    const planted = `${numberPrefix(site, 2)}00000000.json`;
    paris.files.set(planted, Buffer.from('nonsense'));
    paris.files.set('mvan/manifest/readme.txt', Buffer.from('nonsense'));
    const read = await readManifest(paris, options());
    expect(named(read.live)).toEqual({ a: 1, b: 2 });
    expect(read.foreign).toEqual([planted]);
  });

  it('is refused, and named, when a stranger laid an entry behind the newest one', async () => {
    await written(['a'], ['b']);
    const planted = 'mvan/manifest/999999999999-00000000.json';
    paris.files.set(planted, Buffer.from('nonsense'));
    await expect(readManifest(paris, options())).rejects.toMatchObject({ object: planted });
    expect(named((await readManifest(paris, { ...options(), upTo: 2 })).live)).toEqual({ a: 1, b: 2 });
  });
});

describe('a second writer', () => {
  it('with a copy of the state is noticed at its first delivery', async () => {
    const writer = await written(['a']);
    await cp(join(dir, 'writer'), join(dir, 'copy'), { recursive: true });
    const copy = await ManifestWriter.open({ site, key, dir: join(dir, 'copy'), now: () => now });
    await writer.append({ put: [object('b')] });
    await writer.deliver(paris);
    await copy.append({ put: [object('c')] });
    await expect(copy.deliver(paris)).rejects.toMatchObject({
      code: 'MANIFEST_TWO_WRITERS',
      object: entryOf(paris, 2),
    });
    expect(named((await readManifest(paris, options())).live)).toEqual({ a: 1, b: 2 });
  });

  it('that writes at the same moment is noticed by one of the two', async () => {
    const writer = await written(['a']);
    await cp(join(dir, 'writer'), join(dir, 'copy'), { recursive: true });
    const copy = await ManifestWriter.open({ site, key, dir: join(dir, 'copy'), now: () => now });
    await writer.append({ put: [object('b')] });
    await copy.append({ put: [object('c')] });
    const results = await Promise.allSettled([writer.deliver(paris), copy.deliver(paris)]);
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ reason: { code: 'MANIFEST_TWO_WRITERS' } });
  });

  it('in the same folder is noticed before anything leaves it', async () => {
    const writer = await written(['a']);
    const other = await open();
    await writer.append({ put: [object('b')] });
    await expect(other.append({ put: [object('c')] })).rejects.toMatchObject({
      code: 'MANIFEST_TWO_WRITERS',
    });
  });

  it('is not seen in what a stranger laid there', async () => {
    const writer = await written(['a']);
    paris.files.set(`${numberPrefix(site, 2)}00000000.json`, Buffer.from('nonsense'));
    await writer.append({ put: [object('b')] });
    await expect(writer.deliver(paris)).resolves.toBe(2);
  });
});

describe('a machine that has lost its state', () => {
  it('goes on from the regions, and brings the one that is behind what it lacks', async () => {
    const writer = await written(['a'], ['b']);
    await writer.deliver(douala);
    now = new Date('2026-11-24T02:00:00Z');
    for (const name of ['c', 'd']) await writer.append({ put: [object(name)] });
    await writer.deliver(paris);
    rmSync(join(dir, 'writer'), { recursive: true });
    await adoptManifest({ site, trusted, dir: join(dir, 'writer'), stores: [douala, paris] });
    const again = await open();
    await again.append({ put: [object('e')] });
    await again.deliver(douala);
    await again.deliver(paris);
    expect(douala.files).toEqual(paris.files);
    expect(named((await readManifest(douala, options())).live)).toEqual({ a: 1, b: 2, c: 3, d: 4, e: 5 });
  });

  it('does not adopt over what is there, nor from a damaged region', async () => {
    await written(['a']);
    const stores = [paris];
    await expect(adoptManifest({ site, trusted, dir: join(dir, 'writer'), stores })).rejects.toMatchObject({
      code: 'MANIFEST_STATE',
    });
    flip(paris, entryOf(paris, 1), 9);
    await expect(adoptManifest({ site, trusted, dir: join(dir, 'new'), stores })).rejects.toMatchObject({
      code: 'MANIFEST_ALTERED',
    });
  });

  it('refuses a state of its own that is damaged', async () => {
    await written(['a'], ['b']);
    rmSync(join(dir, 'writer/entries/000000000001.json'));
    await expect(open()).rejects.toMatchObject({ code: 'MANIFEST_STATE' });
  });
});

function newKey(): ManifestKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  return manifestKeyFrom(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 'test');
}

function open(): Promise<ManifestWriter> {
  return ManifestWriter.open({ site, key, dir: join(dir, 'writer'), now: () => now });
}

/** Appends one entry for each list: names that are put, with a hyphen before those that are removed; all are in Paris. */
async function written(...entries: string[][]): Promise<ManifestWriter> {
  const writer = await open();
  for (const names of entries) {
    await writer.append({
      put: names.filter((name) => !name.startsWith('-')).map((name) => object(name)),
      removed: names
        .filter((name) => name.startsWith('-'))
        .map((name) => ({ name: object(name.slice(1)).name, reasons: ['older than 30 days'] })),
    });
  }
  await writer.deliver(paris);
  return writer;
}

function options(): ReadOptions {
  return { site, trusted };
}

function object(name: string): SealedObject {
  return {
    name: `${site}/proof/${name}.json.zst.pgp`,
    kind: 'proof',
    bytes: 1000,
    sha256: 'a'.repeat(64),
    plain: { bytes: 2000, sha256: 'b'.repeat(64) },
    recipients: ['0123456789ABCDEF0123456789ABCDEF01234567'],
    sealedAt: `${now.toISOString().slice(0, 10)}T01:00:00Z`,
    about: { drill: name },
  };
}

function named(live: { entry: number; object: SealedObject }[]): Record<string, number> {
  return Object.fromEntries(live.map(({ entry, object }) => [shortName(object), entry]));
}

function shortName({ name }: SealedObject): string {
  return (/proof\/(.+)\.json/.exec(name) as RegExpExecArray)[1] as string;
}

async function liveOf(writer: ManifestWriter): Promise<Record<string, number>> {
  return named(await Array.fromAsync(writer.live()));
}

function entryOf(store: MemoryManifestStore, number: number): string {
  return [...store.files.keys()].find((name) => name.startsWith(numberPrefix(site, number))) as string;
}

function flip(store: MemoryManifestStore, name: string, at: number): void {
  const bytes = Buffer.from(store.files.get(name) as Buffer);
  bytes[at] = (bytes[at] as number) ^ 1;
  store.files.set(name, bytes);
}
