/**
 * Applies the blocks of a batch, in order: straight where a block stands whole and nothing speaks against it; otherwise
 * transaction by transaction, with a look at every row before it is merged.
 */
import {
  type Block,
  type BootTimes,
  type PackedBlock,
  type StraightPlan,
  StraightWay,
  transactionsOf,
} from '@skooly-edge/sync-protocol';
import { applyRuns, type OpenParts } from './apply-parts.ts';
import { dated } from './dated.ts';
import type { Outcome } from './outcome.ts';
import type { RefusalKind } from './refusal.ts';

export interface BlocksToApply {
  blocks: readonly PackedBlock[];
  /** What is up to here is applied already. */
  after: number;
  boots: BootTimes;
  /** Rows of parked transactions: what touches them waits too. Grows with what is parked here. */
  waiting: Map<string, RefusalKind>;
}

/** @returns the seq of the last transaction applied; null when none was. */
export async function applyBlocks(
  outcome: Outcome,
  { blocks, after, boots, waiting }: BlocksToApply,
): Promise<number | null> {
  const { campus, epoch, commit, now } = outcome.context;
  const parts: OpenParts = { open: await commit.parts.open(campus, epoch) };
  const { catalog, rows } = commit;
  const straightWay = new StraightWay({ catalog, rows, campus });
  const fresh = blocks.filter(({ heads }) => (heads.at(-1)?.seq ?? 0) > after);
  const open = (packed: PackedBlock | undefined) => packed && opened(straightWay, packed, after);
  let applied: number | null = null;
  let next = open(fresh[0]);
  for (const [index, packed] of fresh.entries()) {
    const { block, plan } = next ?? opened(straightWay, packed, after);
    next = undefined;
    const openNext = () => {
      next = open(fresh[index + 1]);
    };
    const mayGoStraight = plan !== null && !parts.open && waiting.size === 0;
    if (mayGoStraight && (await straightWay.apply([plan], { meanwhile: openNext }))) {
      applied = packed.heads.at(-1)?.seq ?? null;
      continue;
    }
    const transactions = transactionsOf(block)
      .filter((transaction) => transaction.seq > after)
      .map((transaction) => dated(transaction, boots, now));
    applied = (await applyRuns(outcome, transactions, waiting, parts)) ?? applied;
    straightWay.forget();
  }
  return applied;
}

function opened(
  straightWay: StraightWay,
  packed: PackedBlock,
  after: number,
): { block: Block; plan: StraightPlan | null } {
  const block = packed.unpack();
  return { block, plan: isWhole(packed, after) ? straightWay.plan(block) : null };
}

function isWhole({ heads }: PackedBlock, after: number): boolean {
  return (heads[0]?.seq ?? 0) > after && heads.every(({ more, truncated }) => !more && !truncated);
}
