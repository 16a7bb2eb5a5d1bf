import { expect, test } from 'vitest';
import type { SealedObject } from '../format/object.ts';
import type { Removal } from '../manifest/entry.ts';
import type { Listed, Stored } from '../region/region.ts';
import { applyRetention } from './apply.ts';
import { DAY_MS, usualPolicy } from './policy.ts';

const now = new Date('2027-06-01T04:00:00Z');
const ago = (days: number) => new Date(now.getTime() - days * DAY_MS);
const dump = (days: number) =>
  ({
    name: `mvan/dump/${days}`,
    kind: 'dump',
    bytes: 9,
    sealedAt: ago(days).toISOString(),
    about: {},
  }) as SealedObject;
const objects = Array.from({ length: 60 }, (_, day) => dump(day + 0.1));

class FakeRegion {
  readonly name: string;
  readonly there: Map<string, { at: Date; locked: Date | null }>;
  readonly events: string[];
  isDown = false;

  constructor(name: string, events: string[]) {
    this.name = name;
    this.events = events;
    this.there = new Map(objects.map(({ name: object }) => [object, { at: ago(1), locked: null }]));
  }

  async *list(): AsyncIterable<Listed> {
    if (this.isDown) throw new Error('down');
    for (const [name, { at }] of this.there) yield { name, bytes: 9, at };
  }

  async head(name: string): Promise<Stored | null> {
    const found = this.there.get(name);
    return found ? ({ name, lockedUntil: found.locked } as Stored) : null;
  }

  async remove(name: string): Promise<void> {
    this.there.delete(name);
    this.events.push(`${this.name} -${name}`);
  }
}

function world() {
  const events: string[] = [];
  const regions = [new FakeRegion('paris', events), new FakeRegion('douala', events)] as const;
  const run = () =>
    applyRetention({
      site: 'mvan',
      objects,
      policy: usualPolicy,
      now,
      regions,
      proven: new Set(),
      clock: { lastRunAt: null, elapsedMs: null },
      record: async (removals: Removal[]) =>
        void events.push(...removals.map(({ name }) => `manifest -${name}`)),
      signal: new AbortController().signal,
    });
  return { events, regions, run };
}

test('the manifest says what goes before any region removes it', async () => {
  const { events, regions, run } = world();
  await run();
  const first = events.findIndex((event) => event.startsWith('paris'));
  expect(first).toBeGreaterThan(20);
  expect(events.slice(0, first).every((event) => event.startsWith('manifest'))).toBe(true);
  expect(events.slice(first).some((event) => event.startsWith('manifest'))).toBe(false);
  expect(regions[0].there.size).toBe(regions[1].there.size);
});

test('a region that is down, or a lock in one of them, keeps the object in both', async () => {
  const down = world();
  down.regions[1].isDown = true;
  await expect(down.run()).resolves.toMatchObject({ halted: 'douala did not answer' });
  expect(down.events).toEqual([]);
  const locked = world();
  const name = 'mvan/dump/50.1';
  (locked.regions[1].there.get(name) as { locked: Date }).locked = ago(-5);
  await locked.run();
  expect(locked.events.length).toBeGreaterThan(0);
  expect(locked.regions.every(({ there }) => there.has(name))).toBe(true);
});

test('what a crash left behind goes when it is old, and nothing that is not ours', async () => {
  const { regions, run } = world();
  regions[0].there.set('mvan/wal/00000001/left', { at: ago(40), locked: null });
  regions[0].there.set('mvan/wal/00000001/on-its-way', { at: ago(3), locked: null });
  regions[0].there.set('mvan/manifest/000000000001-aaaaaaaa.json', { at: ago(400), locked: null });
  await run();
  const left = [...regions[0].there.keys()].filter((name) => !name.startsWith('mvan/dump/'));
  expect(left).toEqual(['mvan/wal/00000001/on-its-way', 'mvan/manifest/000000000001-aaaaaaaa.json']);
});
