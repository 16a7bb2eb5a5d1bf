import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { objectName } from '../format/names.ts';
import type { SealedObject } from '../format/object.ts';
import { Spool } from './spool.ts';

export interface TestSpool extends Disposable {
  readonly folder: string;
  spool: Spool;
  nowMs: number;
  /** Ends it without a word, and opens it again. */
  reopen(options?: { regions?: readonly string[]; meanwhile?: () => void }): void;
  addWal(number: number): Promise<SealedObject<'wal'>>;
  addDump(): Promise<SealedObject<'dump'>>;
}

const sha256 = '0'.repeat(64);

export function testSpool(regions: readonly string[] = ['paris', 'douala']): TestSpool {
  const folder = mkdtempSync(join(tmpdir(), 'skooly-spool-'));
  const now = () => test.nowMs;
  const test: TestSpool = {
    folder,
    nowMs: Date.parse('2026-11-23T02:00:00Z'),
    spool: undefined as unknown as Spool,
    reopen({ regions: named = regions, meanwhile } = {}) {
      test.spool[Symbol.dispose]();
      meanwhile?.();
      test.spool = Spool.open({ folder, regions: named, now });
    },
    async addWal(number) {
      const object = sealedWal(number, test.nowMs++);
      return await add(test, object);
    },
    async addDump() {
      return await add(test, sealedDump(test.nowMs++));
    },
    [Symbol.dispose]() {
      test.spool[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  test.spool = Spool.open({ folder, regions, now });
  return test;
}

async function add<T extends SealedObject>({ spool }: TestSpool, object: T): Promise<T> {
  writeFileSync(spool.pathFor(object.name), 'x'.repeat(object.bytes));
  await spool.add(object);
  return object;
}

export function sealedWal(number: number, atMs: number, timeline = 1): SealedObject<'wal'> {
  const hex = (value: number, width: number) => value.toString(16).toUpperCase().padStart(width, '0');
  const segment = `${hex(timeline, 8)}${hex(0, 8)}${hex(number, 8)}`;
  const lsn = (at: number) => `0/${hex(at * 0x1000000, 1)}`;
  const closedAt = new Date(atMs).toISOString();
  return {
    ...common(
      objectName({ site: 'mvan', kind: 'wal', what: { segment }, random: randomBytes(4) }),
      atMs,
      100,
    ),
    kind: 'wal',
    about: {
      systemIdentifier: '7',
      timeline,
      segment,
      startLsn: lsn(number),
      endLsn: lsn(number + 1),
      closedAt,
    },
  };
}

export function sealedDump(atMs: number): SealedObject<'dump'> {
  const at = new Date(atMs);
  return {
    ...common(objectName({ site: 'mvan', kind: 'dump', what: at, random: randomBytes(4) }), atMs, 1000),
    kind: 'dump',
    about: { database: 'skooly', serverVersion: '15.1', takenAt: at.toISOString(), tables: [] },
  };
}

export function sealedBase(number: number, atMs: number): SealedObject<'base'> {
  const at = new Date(atMs);
  const lsn = (place: number) => `0/${(place * 0x1000000).toString(16).toUpperCase()}`;
  return {
    ...common(objectName({ site: 'mvan', kind: 'base', what: at, random: randomBytes(4) }), atMs, 1000),
    kind: 'base',
    about: {
      systemIdentifier: '7',
      timeline: 1,
      startLsn: lsn(number),
      stopLsn: lsn(number),
      startedAt: at.toISOString(),
      endedAt: at.toISOString(),
      serverVersion: '15.1',
      tables: [],
      manifestSha256: sha256,
    },
  };
}

function common(name: string, atMs: number, bytes: number) {
  const plain = { bytes: 1, sha256 };
  return { name, bytes, sha256, plain, recipients: ['A'.repeat(40)], sealedAt: new Date(atMs).toISOString() };
}
