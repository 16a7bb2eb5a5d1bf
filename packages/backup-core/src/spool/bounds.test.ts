import fc from 'fast-check';
import { expect, test } from 'vitest';
import { giveUp, levelOf, type SpooledObject, type SpoolLimits } from './bounds.ts';

const limits: SpoolLimits = { maxBytes: 1000, reserveBytes: 100, warnAt: 0.6, tightAt: 0.8, fullAt: 1 };
const roomyDisk = 10_000;
const used = (bytes: number, nextWalBytes = 0) => ({ bytes, diskFreeBytes: roomyDisk, nextWalBytes });

function spooled(name: string, more: Partial<SpooledObject> = {}): SpooledObject {
  return { name, kind: 'dump', bytes: 100, sealedAt: 0, heldBy: 0, begunBy: 0, ...more };
}

test('a spool is warned of, then tight, then full; a disk that others fill counts as well', () => {
  expect([0, 600, 800, 1000].map((bytes) => levelOf(used(bytes), limits))).toEqual([
    'roomy',
    'warn',
    'tight',
    'full',
  ]);
  expect(levelOf({ ...used(300), diskFreeBytes: 150 }, limits)).toBe('tight');
  expect(levelOf({ ...used(0), diskFreeBytes: 50 }, limits)).toBe('full');
});

test('of dumps that nobody has, the older ones go and the newest stays', () => {
  const dumps = [1, 2, 3].map((at) => spooled(`dump ${at}`, { sealedAt: at }));
  expect(giveUp(dumps, used(1000), limits)).toMatchObject([
    { name: 'dump 1', how: 'drop' },
    { name: 'dump 2', how: 'drop' },
  ]);
  expect(giveUp(dumps, used(800), limits)).toHaveLength(1);
  expect(giveUp(dumps, used(700), limits)).toEqual([]);
});

test('a dump that is on its way into a region is not dropped', () => {
  const dumps = [spooled('begun', { begunBy: 1 }), spooled('newest', { sealedAt: 1 })];
  expect(giveUp(dumps, used(1000), limits)).toEqual([]);
});

test('what a region holds leaves the disk, WAL last and only when it is full', () => {
  const objects = [
    spooled('wal', { kind: 'wal', heldBy: 1 }),
    spooled('base', { kind: 'base', heldBy: 1, sealedAt: 1 }),
  ];
  expect(giveUp(objects, used(850), limits)).toEqual([
    expect.objectContaining({ name: 'base', how: 'leave' }),
  ]);
  expect(giveUp(objects, used(1200), limits).map(({ name }) => name)).toEqual(['base', 'wal']);
});

test('a spool that has no room for the next WAL file is full, and lets what a region holds make room for it', () => {
  expect([levelOf(used(900, 99), limits), levelOf(used(900, 100), limits)]).toEqual(['tight', 'full']);
  const wal = [1, 2].map((at) => spooled(`wal ${at}`, { kind: 'wal', heldBy: 1, sealedAt: at }));
  expect(giveUp(wal, used(900, 100), limits).map(({ name }) => name)).toEqual(['wal 1']);
});

test('WAL that no region holds is never given up, and only dumps are ever dropped', () => {
  const kinds = fc.constantFrom('wal', 'history', 'sync-log', 'base', 'dump', 'proof');
  const one = fc.record({
    name: fc.uuid(),
    kind: kinds,
    bytes: fc.nat(500),
    sealedAt: fc.nat(),
    heldBy: fc.nat(2),
    begunBy: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(one as fc.Arbitrary<SpooledObject>), fc.nat(5000), (objects, bytes) => {
      const byName = new Map(objects.map((object) => [object.name, object]));
      for (const { name, how } of giveUp(objects, used(bytes), limits)) {
        const object = byName.get(name) as SpooledObject;
        if (how === 'leave') expect(object.heldBy).toBeGreaterThan(0);
        else expect([object.kind, object.begunBy]).toEqual(['dump', 0]);
      }
    }),
  );
});
