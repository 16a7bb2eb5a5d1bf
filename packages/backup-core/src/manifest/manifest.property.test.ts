import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryManifestStore } from '../../../../test/support/memory-manifest-store.ts';
import type { SealedObject } from '../format/object.ts';
import { manifestKeyFrom } from '../keys/manifest-key.ts';
import { ManifestError } from './errors.ts';
import { ManifestWriter } from './manifest-writer.ts';
import { readManifest } from './read-manifest.ts';
import { readRegions } from './read-regions.ts';

const site = 'mvan';
const { privateKey } = generateKeyPairSync('ed25519');
const key = manifestKeyFrom(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 'test');
const trusted = [{ site, publicKey: key.publicKey }];

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('put' as const), objects: fc.integer({ min: 0, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deliver' as const), region: fc.nat(1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('cut' as const),
      region: fc.nat(1),
      puts: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('tidy' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), hours: fc.integer({ min: -30, max: 30 }) }),
  },
);
const damage = fc.record({
  file: fc.nat(),
  how: fc.constantFrom('flip', 'cut', 'drop', 'swap'),
  at: fc.nat(),
});

describe('any course of a writer', () => {
  it('ends in two equal regions that tell what was put and not removed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await using world = await course(steps);
        const { live, stores, finish } = world;
        const writer = await finish();
        if (writer.head === null) return;
        expect(stores[1].files).toEqual(stores[0].files);
        for (const store of stores) {
          const read = await readManifest(store, { site, trusted, remembered: writer.head });
          expect(names(read.live)).toEqual([...live].sort());
        }
        expect(names(await Array.fromAsync(writer.live()))).toEqual([...live].sort());
      }),
      { numRuns: 60 },
    );
  });

  it('and any one damage to a region: it is refused by name, or what is read is what was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), damage, async (steps, { file, how, at }) => {
        await using world = await course(steps);
        const { live, stores, finish } = world;
        const { head } = await finish();
        if (head === null) return;
        const files = stores[0].files;
        const all = [...files.keys()];
        const name = all[file % all.length] as string;
        const other = all[(file + 1 + (at % all.length)) % all.length] as string;
        const bytes = Buffer.from(files.get(name) as Buffer);
        if (how === 'flip')
          bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 + (at % 255));
        if (how === 'swap') files.set(name, files.get(other) as Buffer).set(other, bytes);
        else if (how === 'drop') files.delete(name);
        else files.set(name, how === 'cut' ? bytes.subarray(0, at % bytes.length) : bytes);
        const read = await readManifest(stores[0], { site, trusted, remembered: head }).catch(
          (error) => error,
        );
        if (read instanceof ManifestError) {
          const within = [name, other].some((damaged) => damaged.startsWith(read.object));
          expect(within || read.code === 'MANIFEST_OLDER' || read.code === 'MANIFEST_EMPTY').toBe(true);
        } else expect(names(read.live)).toEqual([...live].sort());
        const { manifest } = await readRegions(stores, { site, trusted });
        expect(names(manifest.live)).toEqual([...live].sort());
      }),
      { numRuns: 60 },
    );
  });
});

async function course(steps: (typeof step extends fc.Arbitrary<infer S> ? S : never)[]) {
  const dir = mkdtempSync(join(tmpdir(), 'manifest-property-'));
  const stores = [new MemoryManifestStore('paris'), new MemoryManifestStore('douala')] as const;
  const live = new Set<string>();
  let nowMs = Date.UTC(2026, 10, 23, 2);
  let count = 0;
  const open = () => ManifestWriter.open({ site, key, dir, now: () => new Date(nowMs) });
  let writer = await open();
  for (const one of steps) {
    if (one.do === 'put') {
      const put = Array.from({ length: one.objects }, () => object(`o${count++}`, nowMs));
      await writer.append({ put });
      for (const { name } of put) live.add(name);
    } else if (one.do === 'remove') {
      const name = [...live][one.which % Math.max(live.size, 1)];
      if (name === undefined) continue;
      await writer.append({ removed: [{ name, reasons: ['old'] }] });
      live.delete(name);
    } else if (one.do === 'deliver') await writer.deliver(stores[one.region as 0 | 1]);
    else if (one.do === 'cut') {
      stores[one.region as 0 | 1].putsUntilCut = one.puts;
      await writer.deliver(stores[one.region as 0 | 1]).catch(() => {});
      stores[one.region as 0 | 1].putsUntilCut = null;
    } else if (one.do === 'restart') writer = await open();
    else if (one.do === 'tidy') await writer.tidy(['paris', 'douala']);
    else nowMs += one.hours * 3_600_000;
  }
  return {
    live,
    stores,
    finish: async () => {
      for (const store of stores) await writer.deliver(store);
      return writer;
    },
    [Symbol.asyncDispose]: async () => rmSync(dir, { recursive: true }),
  };
}

function object(drill: string, nowMs: number): SealedObject {
  return {
    name: `${site}/proof/${drill}.json.zst.pgp`,
    kind: 'proof',
    bytes: 1000,
    sha256: 'a'.repeat(64),
    plain: { bytes: 2000, sha256: 'b'.repeat(64) },
    recipients: ['0123456789ABCDEF0123456789ABCDEF01234567'],
    sealedAt: new Date(nowMs).toISOString(),
    about: { drill },
  };
}

function names(live: readonly { object: SealedObject }[]): string[] {
  return live.map(({ object }) => object.name).sort();
}
