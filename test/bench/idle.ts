/**
 * The appliance at rest: what it holds in memory, and what it sends and receives in a day, although nothing happens. It runs with the
 * product's own intervals, has drained a large backlog before, and nobody uses it; from then on only the two sides talk: the feed's
 * long poll, the probes of the link, sessions that are renewed, the question for migrations.
 *
 * Scaled to a day from the minutes that were measured: each of these comes once in a quarter of an hour at the least, which
 * therefore stands for a day. What comes once an hour or once a day (how far the feed is read, the proof of equality) is left
 * out of it. The bytes are those inside TCP, with TLS, in both directions.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import {
  boxStatus,
  memoryOf,
  onBothSides,
  productLinkTimes,
  requireEqual,
  until,
  withSchoolLab,
} from './school-lab.ts';
import { commitBacklog } from './school-mix.ts';

const MiB = 2 ** 20;
const memoryTargetBytes = 150 * MiB;
const wireTargetBytes = 5_000_000;
const daySeconds = 86_400;

/** Instead of five minutes without a user. */
const restAfterMs = 30_000;
const sampleMs = 1_000;

export interface IdleSize {
  /** That are drained before it rests. */
  changes: number;
  /** At rest before anything is measured. */
  settleSeconds: number;
  seconds: number;
}

export const idleSize: IdleSize = { changes: 100_000, settleSeconds: 120, seconds: 900 };

export interface IdleResult {
  bench: 'idle';
  seconds: number;
  /** The most that it held while it was at rest. */
  ours: number;
  peer: '150 MiB';
  ratio: number;
  target: number;
  met: boolean;
  peakBytes: number;
  bytesADay: { up: number; down: number };
  bytesADayTarget: number;
}

export async function benchIdle(size: IdleSize, report: (line: string) => void): Promise<IdleResult> {
  const env = { appliance: { ...productLinkTimes, EDGE_LINK_REST_AFTER_MS: String(restAfterMs) } };
  return await withSchoolLab({ env, report }, (lab) => measureIdle(lab, size, report));
}

/** @throws when the two sides are not equal, or it does not come to rest. */
export async function measureIdle(
  lab: Lab,
  { changes, settleSeconds, seconds }: IdleSize,
  report: (line: string) => void,
): Promise<IdleResult> {
  const status = () => boxStatus(lab);
  await onBothSides(lab, async (site) => {
    if (changes > 0) {
      await lab.cable.cut({ refuse: true });
      await commitBacklog(site.campusSide, changes);
      await until(async () => (await status()).sync.pendingTransactions > changes / 2);
      await lab.cable.heal();
    }
    await until(async () => (await status()).sync.pendingTransactions === 0);
    await requireEqual(site);
  });
  await until(async () => (await status()).state === 'ONLINE', { pollMs: 200 });
  report(`drained; ${settleSeconds + seconds} s at rest`);
  await sleep(settleSeconds * 1_000);
  const { bytesUp, bytesDown } = lab.cable.status();
  const endsAt = performance.now() + seconds * 1_000;
  let rssBytes = 0;
  while (performance.now() < endsAt) {
    rssBytes = Math.max(rssBytes, (await memoryOf(lab, 'appliance')).rssBytes);
    await sleep(sampleMs);
  }
  const after = lab.cable.status();
  const { state, sync } = await status();
  if (state !== 'ONLINE' || sync.pendingTransactions > 0) throw new Error(`it is not at rest: ${state}`);
  const aDay = (bytes: number) => Math.round((bytes * daySeconds) / seconds);
  const bytesADay = { up: aDay(after.bytesUp - bytesUp), down: aDay(after.bytesDown - bytesDown) };
  return {
    bench: 'idle',
    seconds,
    ours: rssBytes,
    peer: '150 MiB',
    ratio: rssBytes / memoryTargetBytes,
    target: memoryTargetBytes,
    met: rssBytes <= memoryTargetBytes && bytesADay.up + bytesADay.down <= wireTargetBytes,
    peakBytes: (await memoryOf(lab, 'appliance')).peakBytes,
    bytesADay,
    bytesADayTarget: wireTargetBytes,
  };
}
