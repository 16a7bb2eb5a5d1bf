import { expect, test } from 'vitest';
import { usualDrills } from '../drill/drill-schedule.ts';
import type { Proof } from '../drill/proof.ts';
import type { SealedObject } from '../format/object.ts';
import { statusScreen } from './screen.ts';
import { buildStatus, type StatusInput } from './status.ts';

const now = new Date('2026-11-23T10:00:00Z');
const ago = (minutes: number) => new Date(now.getTime() - minutes * 60_000).toISOString();
const lsn = (segment: number) => `0/${(segment * 0x1000000).toString(16).toUpperCase()}`;
const common = { systemIdentifier: '7', timeline: 1 };

function sealed(kind: SealedObject['kind'], name: string, about: object): SealedObject {
  return { name, kind, bytes: 9, sealedAt: ago(60 * 24 * 3), about } as unknown as SealedObject;
}
const base = sealed('base', 'base', {
  ...common,
  startLsn: '0/1000028',
  stopLsn: '0/1000100',
  endedAt: ago(60 * 24),
});
const dump = sealed('dump', 'dump', { takenAt: ago(7 * 60) });
const wal = (segment: number, minutes: number) =>
  sealed('wal', `wal${segment}`, {
    ...common,
    startLsn: lsn(segment),
    endLsn: lsn(segment + 1),
    closedAt: ago(minutes),
  });
const objects = [base, dump, wal(1, 60), wal(2, 30), wal(3, 1)];
const holding = (region: string, held: readonly SealedObject[]) => ({
  region,
  holds: new Map(held.map(({ name }) => [name, null])),
});
const proof = {
  drill: 'd',
  kind: 'base',
  region: 'paris',
  at: ago(600),
  passed: true,
  rtoMs: 9,
  rpoMs: 9,
} as Proof;

const status = (other: Partial<StatusInput> = {}) =>
  buildStatus({
    site: 'mvan',
    now,
    objects,
    head: { number: 9, at: ago(1) },
    evidence: [holding('paris', objects), holding('douala', objects)],
    behind: [],
    failed: [],
    proofs: [proof],
    drills: usualDrills,
    daemon: null,
    daemonExpected: false,
    ...other,
  });

test('all is well: no alarm, and what would be lost is the time since the newest commit in the worst region', () => {
  const found = status();
  expect(found).toMatchObject({ alarms: [], rpoMs: 60_000, dump: { name: 'dump' }, base: { name: 'base' } });
  expect(found.regions.map(({ walUntil }) => walUntil)).toEqual([ago(1), ago(1)]);
});

test('the region that lacks the newest WAL decides what would be lost', () => {
  const late = [holding('paris', objects), holding('douala', objects.slice(0, -1))];
  const found = status({ evidence: late });
  expect(found).toMatchObject({ rpoMs: 30 * 60_000, alarms: ['RPO_EXCEEDED'] });
  expect(found.regions[1]).toMatchObject({ missing: 1, walUntil: ago(30) });
});

test('a gap behind the newest base is an alarm', () => {
  const holed = objects.filter(({ name }) => name !== 'wal2');
  const evidence = [holding('paris', holed), holding('douala', holed)];
  expect(status({ objects: holed, evidence }).alarms).toEqual(['RPO_EXCEEDED', 'WAL_GAP']);
});

test('a dump that one region lacks is not good', () => {
  const without = objects.filter((object) => object !== dump);
  const evidence = [holding('paris', objects), holding('douala', without)];
  expect(status({ evidence })).toMatchObject({ dump: null, alarms: ['NO_DUMP'] });
});

test('a region that cannot be read, one that is behind, a failed drill and a silent daemon are alarms, in both languages', () => {
  const found = status({
    evidence: [holding('paris', objects), { region: 'douala', holds: null }],
    failed: [{ store: 'douala', error: new Error('Region douala cannot be reached.') }],
    behind: [{ store: 'paris', head: { number: 8 } }],
    proofs: [{ ...proof, passed: false }],
    daemonExpected: true,
  });
  expect(found.alarms).toEqual(
    expect.arrayContaining([
      'REGION_FAILED',
      'REGION_BEHIND',
      'DRILL_FAILED',
      'DAEMON_SILENT',
      'RPO_EXCEEDED',
    ]),
  );
  const french = statusScreen(found, 'fr');
  expect(french).toContain('ALARME DRILL_FAILED: le dernier exercice de restauration a échoué');
  expect(french).toContain('EN PANNE, La région ne répond pas');
  expect(statusScreen(found, 'en')).toContain('ALARM DAEMON_SILENT: the backup daemon');
});
