/**
 * A backlog over a link as narrow as a school's in the provinces, with cuts in the middle: what of the link's capacity becomes
 * acknowledged changes, whether anything is sent more often than it must, and when the last payment stands in the cloud.
 *
 * Goodput is the bytes of acknowledged batches, each transaction counted once, over what the link could have carried while it was up, from
 * "cable healed" to "all acknowledged": noticing the heal, questions, round trips and repetitions all count against it. A cut is a black hole
 * long enough for the box to give the link up. The cable models bandwidth, delay and what a lost packet does to a TCP
 * stream (`test/lab/cable/loss.ts`), not a congestion window: it is the link of a sender whose congestion control does not take loss for
 * congestion.
 *
 * Changes are pushed in the order of their commits; nothing goes before what was committed earlier. So payments have no lane of their
 * own, and the time until the last of them is there is the time of the backlog up to it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Shape } from '../lab/cable/shape.ts';
import type { Lab } from '../lab/lab.ts';
import { seededRandom } from '../lab/seeded-random.ts';
import { commitNarrowBacklog, paymentsQuery } from './narrow-mix.ts';
import { PushTap, type SentBatch, summarise } from './push-tap.ts';
import {
  boxStatus,
  onBothSides,
  productLinkTimes,
  requireEqual,
  type Site,
  until,
  withSchoolLab,
} from './school-lab.ts';

export interface NarrowSize {
  changes: number;
  cuts: number;
  cutMs: number;
  shape: Shape & { kbps: number };
}

export const narrowSize: NarrowSize = {
  changes: 10_000,
  cuts: 3,
  cutMs: 20_000,
  shape: { kbps: 256, rttMs: 600, lossPct: 5 },
};

const goodputTarget = 0.8;
/** Of the link: what counts as one batch. */
const batchSeconds = 2;
const paymentsTargetSeconds = 60;
const pollMs = 50;

export interface NarrowResult {
  bench: 'narrow';
  changes: number;
  cuts: number;
  shape: Shape;
  /** The share of the link that became acknowledged changes. */
  ours: number;
  peer: 'the capacity of the link';
  ratio: number;
  target: number;
  met: boolean;
  /** While the cable was up. */
  seconds: number;
  usefulBytes: number;
  /** Everything that went up, questions and probes too. */
  wireBytes: number;
  repeatedBytes: number;
  /** One batch for each cut: what the link carries in two seconds. */
  repeatedLimit: number;
  /** Until the last payment was visible in the cloud, while the cable was up. */
  paymentsSeconds: number;
  paymentsTargetSeconds: number;
  batches: number;
}

export async function benchNarrow(size: NarrowSize, report: (line: string) => void): Promise<NarrowResult> {
  const tap = new PushTap();
  const env = { appliance: { ...productLinkTimes, EDGE_RELAY_URL: await tap.listen() } };
  try {
    const beforeUp = (lab: Lab) => tap.passToRelayOf(lab);
    return await withSchoolLab({ env, random: seededRandom(7), report, beforeUp }, (lab) =>
      measureNarrow(lab, tap, size, report),
    );
  } finally {
    await tap.close();
  }
}

/** @throws when a cut did not fall into the transfer, or the sides end unequal. */
export async function measureNarrow(
  lab: Lab,
  tap: PushTap,
  { changes, cuts, cutMs, shape }: NarrowSize,
  report: (line: string) => void,
): Promise<NarrowResult> {
  return await onBothSides(lab, async (site) => {
    await lab.cable.cut();
    const before = (await boxStatus(lab)).sync.pendingTransactions;
    await commitNarrowBacklog(site.campusSide, changes);
    const logged = Math.floor(changes / 2) + before;
    await until(async () => (await boxStatus(lab)).sync.pendingTransactions === logged);
    tap.batches.length = 0;
    lab.cable.shape(shape);
    report(`${changes} changes, ${cuts} cuts`);
    const run = await transfer(lab, site, tap, { changes, cuts, cutMs });
    lab.cable.shape({ kbps: null, rttMs: 0, lossPct: 0 });
    await requireEqual(site);
    return summary({ changes, cuts, cutMs, shape }, run, tap.batches);
  });
}

interface Run {
  seconds: number;
  wireBytes: number;
  paymentsSeconds: number;
}

/** From the heal to the last acknowledgement, with the cuts in between. Its times are those of the cable while it is up. */
async function transfer(
  lab: Lab,
  { campusSide, cloudSide }: Site,
  tap: PushTap,
  { changes, cuts, cutMs }: Pick<NarrowSize, 'changes' | 'cuts' | 'cutMs'>,
): Promise<Run> {
  const count = async (side: Site['campusSide']) => (await side.query(paymentsQuery)).rows[0].count as number;
  const bytesBefore = lab.cable.status().bytesUp;
  const wireBytes = () => lab.cable.status().bytesUp - bytesBefore;
  const payments = await count(campusSide);
  const pending = async () => (await boxStatus(lab)).sync.pendingTransactions;
  let paymentsSeconds: number | null = null;
  let cutsDone = 0;
  let downMs = 0;
  await lab.cable.heal();
  const startedAt = performance.now();
  const upSeconds = () => (performance.now() - startedAt - downMs) / 1000;
  while ((await pending()) > 0) {
    const cutAt = (tap.bytesPerTransaction * (changes / 2) * (cutsDone + 1)) / (cuts + 1);
    if (cutsDone < cuts && wireBytes() >= cutAt) {
      await lab.cable.cut();
      await sleep(cutMs);
      await lab.cable.heal();
      downMs += cutMs;
      cutsDone += 1;
    }
    if (paymentsSeconds === null && (await count(cloudSide)) === payments) paymentsSeconds = upSeconds();
    await sleep(pollMs);
  }
  const seconds = upSeconds();
  if (cutsDone < cuts) throw new Error(`only ${cutsDone} of ${cuts} cuts fell into the transfer`);
  return { seconds, wireBytes: wireBytes(), paymentsSeconds: paymentsSeconds ?? seconds };
}

function summary({ changes, cuts, shape }: NarrowSize, run: Run, sent: readonly SentBatch[]): NarrowResult {
  const { usefulBytes, repeatedBytes } = summarise(sent);
  const ours = (usefulBytes * 8) / (run.seconds * shape.kbps * 1_000);
  const repeatedLimit = cuts * shape.kbps * (1_000 / 8) * batchSeconds;
  const quick = run.paymentsSeconds <= paymentsTargetSeconds;
  return {
    bench: 'narrow',
    changes,
    cuts,
    shape,
    ours,
    peer: 'the capacity of the link',
    ratio: ours,
    target: goodputTarget,
    met: ours >= goodputTarget && repeatedBytes <= repeatedLimit && quick,
    ...run,
    usefulBytes,
    repeatedBytes,
    repeatedLimit,
    paymentsTargetSeconds,
    batches: sent.length,
  };
}
