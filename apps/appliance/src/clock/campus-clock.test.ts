import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootsNamed, commitTime } from '@skooly-edge/sync-protocol';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { CampusClock, type CommitStamp } from './campus-clock.ts';
import { type ClockFile, openClockFile } from './clock-file.ts';
import { day, hour, line, memoryFile, second, World } from './world.fixture.ts';

let world: World;
let file: ClockFile;
let clock: CampusClock;

const fail = (error: unknown) => {
  throw error;
};

beforeEach(() => {
  world = new World();
  file = memoryFile();
  clock = new CampusClock(world.machine(), file, fail);
});

/** A commit now, captured at once. */
const commit = () => ({ realUs: world.realUs, wallUs: world.wallUs(), stamp: clock.stamp(world.wallUs()) });
type Commit = ReturnType<typeof commit>;

function meetTheCloud(roundTripUs = 0): void {
  const answered = clock.exchange();
  world.pass(roundTripUs / 2);
  const cloudTimeMs = Math.floor(world.realUs / 1_000);
  world.pass(roundTripUs / 2);
  answered(cloudTimeMs);
}

function powerCut(offUs: number): void {
  world.powerCut(offUs);
  clock = new CampusClock(world.machine(), file, fail);
}

async function dated({ stamp, wallUs }: Commit) {
  world.timers.length = 0;
  const asked = clock.boots(bootsNamed([line(stamp)]));
  for (const ring of world.timers) ring();
  return commitTime({ committedAt: wallUs, ...stamp }, await asked, world.realUs);
}

async function uncertainty(one: Commit): Promise<number> {
  const { earliest, latest } = await dated(one);
  expect(earliest).toBeLessThanOrEqual(one.realUs);
  expect(latest).toBeGreaterThanOrEqual(one.realUs);
  return latest - earliest;
}

describe('a commit is dated rightly, once the boot has met the cloud, though', () => {
  it('the wall clock stood in 1970', async () => {
    world.wallErrorUs = -world.realUs;
    const one = commit();
    world.pass(60 * second);
    meetTheCloud();
    expect(await uncertainty(one)).toBeLessThan(0.1 * second);
  });

  it('the wall clock jumped, forward or back, before and after it', async () => {
    meetTheCloud();
    const commits: Commit[] = [];
    for (const jump of [3 * day, -40 * day, hour]) {
      world.wallErrorUs += jump;
      world.pass(60 * second);
      commits.push(commit());
    }
    for (const one of commits) expect(await uncertainty(one)).toBeLessThan(0.1 * second);
  });

  it('the appliance was started anew since', async () => {
    const one = commit();
    world.pass(60 * second);
    clock = new CampusClock(world.machine(), file, fail);
    const other = commit();
    expect(other.stamp.boot).toBe(one.stamp.boot);
    meetTheCloud();
    for (const each of [one, other]) expect(await uncertainty(each)).toBeLessThan(0.1 * second);
  });

  it('the power failed since, and the wall clock begins in 1970 again', async () => {
    meetTheCloud();
    const one = commit();
    world.wallErrorUs = -world.realUs;
    powerCut(hour);
    expect(await uncertainty(one)).toBeLessThan(0.1 * second);
  });

  it('the answer was slow: then the time is as uncertain as the answer', async () => {
    const one = commit();
    meetTheCloud(4 * second);
    expect(await uncertainty(one)).toBeGreaterThan(4 * second);
    meetTheCloud(0.01 * second);
    expect(await uncertainty(one)).toBeLessThan(0.1 * second);
    meetTheCloud(4 * second);
    expect(await uncertainty(one)).toBeLessThan(0.1 * second);
  });
});

describe('a boot that never met the cloud', () => {
  it('is bounded by what was trusted before and after it', async () => {
    meetTheCloud();
    const before = world.realUs;
    powerCut(2 * hour);
    world.wallErrorUs = -world.realUs;
    world.pass(60 * second);
    const one = commit();
    powerCut(3 * hour);
    const after = world.realUs;
    meetTheCloud();
    const { at, earliest, latest } = await dated(one);
    expect(earliest).toBeGreaterThanOrEqual(before - second);
    expect(latest).toBeLessThanOrEqual(after + second);
    expect([at >= earliest, at <= latest]).toEqual([true, true]);
  });

  it('is bounded closely when the power was away for moments only', async () => {
    meetTheCloud();
    const commits: Commit[] = [];
    for (let n = 0; n < 30; n++) {
      world.wallErrorUs = -world.realUs;
      powerCut(20 * second);
      for (let h = 0; h < 24; h++) {
        world.pass(hour);
        clock.seen();
      }
      commits.push(commit());
    }
    powerCut(20 * second);
    meetTheCloud();
    for (const one of commits) expect(await uncertainty(one)).toBeLessThan(hour / 2);
  });

  it('may have been at any time up to now while it lasts; a push waits for the first answer, once', async () => {
    const one = commit();
    world.pass(hour);
    const early = clock.boots(bootsNamed([line(one.stamp)]));
    meetTheCloud();
    expect(Object.values(await early)).toMatchObject([{ base: expect.any(Number) }]);
    powerCut(hour);
    const other = commit();
    world.pass(hour);
    const { latest } = await dated(other);
    expect(latest).toBe(world.realUs);
    expect(world.timers).toHaveLength(1);
    await dated(other);
    expect(world.timers).toHaveLength(0);
  });
});

describe('a commit that is captured after the power cut that followed it', () => {
  it('is one of the boot before, whatever the wall clock shows now', async () => {
    for (const wallErrorAfter of [0, -world.realUs, 400 * day]) {
      world.wallErrorUs = 0;
      meetTheCloud();
      world.pass(hour);
      clock.seen();
      world.pass(10 * second);
      const committedAt = world.wallUs();
      const { realUs } = world;
      world.wallErrorUs = wallErrorAfter;
      powerCut(8 * hour);
      world.pass(30 * second);
      const one = { realUs, wallUs: committedAt, stamp: clock.stamp(committedAt) };
      const next = commit();
      meetTheCloud();
      expect(await uncertainty(one)).toBeLessThan(2 * second);
      expect(next.stamp.boot).not.toBe(one.stamp.boot);
      expect(await uncertainty(next)).toBeLessThan(0.1 * second);
    }
  });

  it('is not looked for once this boot has committed', () => {
    powerCut(hour);
    const one = commit();
    world.wallErrorUs = -world.realUs;
    expect(clock.stamp(one.wallUs).boot).toBe(one.stamp.boot);
  });
});

describe('a monotonic clock that is off', () => {
  it('does no harm while the cloud is met, however long nothing can be pushed', async () => {
    world.drift = 80e-6;
    const commits: Commit[] = [];
    for (let n = 0; n < 200; n++) {
      world.pass(300 * second);
      meetTheCloud(0.02 * second);
      commits.push(commit());
    }
    for (const one of commits) expect(await uncertainty(one)).toBeLessThan(1.5 * second);
  });

  it('makes what was committed far from any exchange as uncertain as it drifts', async () => {
    world.drift = -80e-6;
    meetTheCloud();
    const commits: Commit[] = [];
    for (let n = 0; n < 20; n++) {
      commits.push(commit());
      world.pass(day);
    }
    meetTheCloud();
    for (const one of commits) expect(await uncertainty(one)).toBeGreaterThan(60 * second);
    expect(await uncertainty(commit())).toBeLessThan(0.1 * second);
  });

  it('is allowed for in the bounds of a boot that never met the cloud', async () => {
    for (const drift of [90e-6, -90e-6]) {
      world.drift = drift;
      meetTheCloud();
      powerCut(0);
      const first = commit();
      world.pass(10 * day);
      clock.seen();
      const last = commit();
      powerCut(0);
      meetTheCloud();
      for (const one of [first, last]) await uncertainty(one);
    }
  });

  it('stands still while the machine sleeps, and what was committed before and after is dated with both', async () => {
    meetTheCloud();
    const commits = [commit()];
    world.realUs += 8 * hour;
    commits.push(commit());
    world.pass(60 * second);
    meetTheCloud();
    for (const one of commits) expect(await uncertainty(one)).toBeGreaterThan(8 * hour - second);
    expect(await uncertainty(commit())).toBeLessThan(0.1 * second);
  });
});

it('what it says of a commit contains the truth, over power cuts, jumps, restarts, drift and slow answers', async () => {
  const span = (most: number) => fc.integer({ min: 0, max: most });
  const event = fc.oneof(
    { weight: 4, arbitrary: fc.constant({ does: 'commit' } as const) },
    { weight: 3, arbitrary: span(2 * hour).map((us) => ({ does: 'pass', us }) as const) },
    { weight: 2, arbitrary: span(8 * second).map((us) => ({ does: 'meet', us }) as const) },
    fc.constant({ does: 'restart' } as const),
    span(3 * day).map((us) => ({ does: 'pass', us }) as const),
    fc.integer({ min: -400 * day, max: 400 * day }).map((us) => ({ does: 'jump', us }) as const),
    span(day).map((us) => ({ does: 'powerCut', us }) as const),
  );
  const partsPerMillion = fc.integer({ min: -90, max: 90 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 40, size: 'max' }),
      partsPerMillion,
      async (events, rate) => {
        world = new World();
        world.drift = rate / 1e6;
        file = memoryFile();
        clock = new CampusClock(world.machine(), file, fail);
        const commits: Commit[] = [];
        for (const { does, ...more } of events) {
          const us = 'us' in more ? more.us : 0;
          if (does === 'commit') commits.push(commit());
          if (does === 'pass') world.pass(us);
          clock.seen();
          if (does === 'meet') meetTheCloud(us);
          if (does === 'jump') world.wallErrorUs = Math.max(-world.realUs, world.wallErrorUs + us);
          if (does === 'restart') clock = new CampusClock(world.machine(), file, fail);
          if (does === 'powerCut') powerCut(us);
        }
        for (const one of commits) {
          const { earliest, latest } = await dated(one);
          expect(one.realUs).toBeGreaterThanOrEqual(earliest);
          expect(one.realUs).toBeLessThanOrEqual(latest);
        }
      },
    ),
    { numRuns: 400 },
  );
});

it('monotonic times of a boot never go back, whatever the wall clock does', () => {
  const jumps = fc.array(fc.tuple(fc.integer({ min: 0, max: hour }), fc.integer({ min: -day, max: day })), {
    size: 'large',
  });
  fc.assert(
    fc.property(jumps, fc.nat({ max: 5 * second }), (steps, lag) => {
      world = new World();
      clock = new CampusClock(world.machine(), memoryFile(), fail);
      let last: CommitStamp = { boot: '', mono: 0 };
      for (const [passes, jump] of steps) {
        world.pass(passes);
        const committedAt = world.wallUs() - lag;
        world.wallErrorUs += jump;
        const next = clock.stamp(committedAt);
        expect(next.mono).toBeGreaterThanOrEqual(last.mono);
        expect(next.mono).toBeLessThanOrEqual(world.machine().monoUs());
        last = next;
      }
    }),
  );
});

it('the status tells whether the time is trusted, how far the clocks are apart, and since when', () => {
  world.wallErrorUs = -hour;
  expect(clock.status()).toMatchObject({
    trusted: false,
    offsetMs: null,
    errorMs: null,
    lastExchangeAt: null,
  });
  expect(clock.now()).toBeNull();
  meetTheCloud(0.2 * second);
  expect(clock.status()).toMatchObject({ trusted: true, boot: 'boot0.1', errorMs: 102 });
  expect(clock.status().offsetMs).toBeCloseTo(3_600_000, -1);
  expect(clock.now()).toBeCloseTo(world.realUs / 1_000, -1);
  expect(clock.status().lastExchangeAt).toMatch(/^2026-01-05T07:00:00/);
  powerCut(hour);
  expect(clock.status()).toMatchObject({ trusted: false, boot: 'boot1.1' });
  expect(clock.status().lastExchangeAt).toMatch(/^2026-01-05T07:00:00/);
});

/** Two thousand writes wait for the disk one after the other. */
const diskPatienceMs = 60_000;

it(
  'the file gives back what was written, in order, and forgets the oldest boots beyond its limit',
  () => {
    const dir = mkdtempSync(join(tmpdir(), 'skooly-clock-'));
    try {
      const onDisk = () => new CampusClock(world.machine(), openClockFile(dir), fail);
      let open = onDisk();
      open.exchange()(world.realUs / 1_000);
      const stamp = open.stamp(world.wallUs());
      open.close();
      open = onDisk();
      expect(open.status().trusted).toBe(true);
      expect(open.stamp(world.wallUs()).mono).toBeGreaterThanOrEqual(stamp.mono);
      open.close();
      const kept = openClockFile(dir);
      const [first] = kept.read();
      for (let n = 0; n < 2_001; n++) if (first) kept.write({ ...first, boot: `later${n}` });
      const boots = kept.read().map(({ boot }) => boot);
      expect([boots.length, boots[0], boots.at(-1)]).toEqual([2_000, 'later1', 'later2000']);
      kept.close();
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
  diskPatienceMs,
);

it('a file that cannot be written costs nothing while the process lives; it is told, not thrown', () => {
  const problems: unknown[] = [];
  const full = { ...memoryFile(), write: () => fail(new Error('no room')) };
  const deaf = new CampusClock(world.machine(), full, (error) => problems.push(error));
  deaf.exchange()(world.realUs / 1_000);
  expect(deaf.stamp(world.wallUs()).boot).toBe('boot0.1');
  expect(deaf.status().trusted).toBe(true);
  expect(problems).not.toEqual([]);
});

it('a damaged file is set aside, and the box knows nothing of earlier boots', () => {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-clock-'));
  try {
    writeFileSync(
      join(dir, 'clock.sqlite'),
      'this is no database, and long enough to be seen as one'.repeat(99),
    );
    const begun = openClockFile(dir);
    expect(begun.read()).toEqual([]);
    begun.close();
  } finally {
    rmSync(dir, { recursive: true });
  }
});
