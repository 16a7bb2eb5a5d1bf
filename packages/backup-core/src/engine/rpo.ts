/**
 * How much would be lost if this host were gone now: now minus the newest commit that a region alone can bring back. It can
 * when it holds a base, every segment from there on, and entries that name them; the worst region counts.
 */
import type { SealedObject } from '../format/object.ts';
import type { WalPlace } from '../spool/live-index.ts';
import { type Chain, chainFrom } from './chain.ts';

export interface RegionProof {
  readonly region: string;
  /** Ms since 1970: every commit before it can be brought back from this region alone. Null: none can. */
  readonly safeUntil: number | null;
  readonly chains: readonly BaseChain[];
}

export interface BaseChain extends Chain {
  readonly base: SealedObject<'base'>;
}

export function proveRegion(
  region: string,
  held: { readonly bases: readonly SealedObject<'base'>[]; readonly wal: readonly WalPlace[] },
  coveredUntil: (place: number) => number | null,
): RegionProof {
  const chains = held.bases.map((base) => ({ base, ...chainFrom(base.about, held.wal) }));
  const moments = chains.flatMap(({ last }) =>
    last ? [Math.max(last.closedAt, coveredUntil(last.end) ?? 0)] : [],
  );
  return { region, chains, safeUntil: moments.length > 0 ? Math.max(...moments) : null };
}

/** Milliseconds; null when some region cannot bring anything back. */
export function rpoMs(proofs: readonly RegionProof[], now: number): number | null {
  const moments = proofs.map(({ safeUntil }) => safeUntil);
  if (moments.length === 0 || moments.includes(null)) return null;
  return Math.max(0, now - Math.min(...(moments as number[])));
}
