import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { usualDrills } from '../drill/drill-schedule.ts';
import type { Proof } from '../drill/proof.ts';
import { alarmsOf } from '../engine/alarms.ts';
import type { BackupStatus } from '../engine/status.ts';
import type { SealedObject } from '../format/object.ts';
import { statusScreen } from './screen.ts';
import { alarms, buildStatus, type Status, type StatusInput } from './status.ts';

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

/** A daemon that has something to say of everything. */
const daemon = {
  rpo: { seconds: 30, limitSeconds: 300 },
  regions: ['paris', 'douala'].map((region) => ({
    region,
    waiting: { objects: 2, bytes: 99, oldestAt: ago(5) },
  })),
  alarms: alarmsOf({
    now: now.getTime(),
    rpoMs: 0,
    rpoLimitMs: 1,
    runningSinceMs: now.getTime(),
    gaps: 0,
    lastDumpMs: null,
    spoolLevel: 'full',
    regions: [],
    server: { error: null, settings: [] },
    walRefused: null,
    manifestError: null,
    keys: [],
  }),
} as unknown as BackupStatus;

const page = readFileSync(new URL('../../OPERATIONS.md', import.meta.url), 'utf8');

/** Field → the names that OPERATIONS.md gives in what it says of it. */
function documentedFields(): Map<string, string[]> {
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (.*) \|$/gm)].filter(
    ([, field]) => !/^[A-Z]/.test(field as string),
  );
  return new Map(
    rows.map(([, field, says]) => [
      field as string,
      [...(says as string).matchAll(/`(\w+)`/g)].map(([, name]) => name as string),
    ]),
  );
}

test('status --json has the fields that OPERATIONS.md documents, each as it says, and no other', () => {
  const found: Status = JSON.parse(JSON.stringify(status({ daemon, daemonExpected: true })));
  const documented = documentedFields();
  expect(Object.keys(found).sort()).toEqual([...documented.keys()].sort());
  const first = (value: unknown) => (Array.isArray(value) ? value[0] : value);
  for (const field of [
    'manifest',
    'base',
    'dump',
    'regions',
    'queue',
    'drills',
    'lastProof',
    'daemonAlarms',
  ] as const) {
    const inside = Object.keys(first(found[field]));
    const named = documented.get(field === 'base' ? 'dump' : field) ?? [];
    expect([field, inside.filter((name) => !named.includes(name))]).toEqual([field, []]);
  }
  expect(found).toMatchObject({
    site: 'mvan',
    at: now.toISOString(),
    manifest: { entry: 9, at: ago(1) },
    dump: { name: 'dump', at: ago(7 * 60), ageMs: 7 * 60 * 60_000 },
    rpoMs: 30_000,
    regions: [
      { name: 'paris', state: 'ok', problem: null, code: null, walUntil: ago(1), lagMs: 60_000, missing: 0 },
      { name: 'douala', state: 'ok' },
    ],
    queue: [{ region: 'paris', objects: 2, bytes: 99, oldestAt: ago(5) }, { region: 'douala' }],
    drills: [{ kind: 'base' }, { kind: 'dump' }],
    lastProof: { drill: 'd', kind: 'base', region: 'paris', passed: true, rtoMs: 9, rpoMs: 9 },
    alarms: [],
    daemonAlarms: [{ code: 'ARCHIVE_STOPPED', level: 'act' }],
  });
});

test('OPERATIONS.md says what to do at each alarm', () => {
  const listed = [...page.matchAll(/^\| (`[A-Z_]+`[^|]*)\|/gm)].flatMap(([, cell]) =>
    [...(cell as string).matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code as string),
  );
  for (const alarm of alarms) expect(listed).toContain(alarm);
});
