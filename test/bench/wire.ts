/**
 * What a change weighs on the wire, over what it weighs in the raw pgoutput stream of the same changes: a backlog of the school mix up,
 * and one down. Both come out of `reconcile` and `pull`, which carry such backlogs anyway.
 *
 * Ours is every byte that crossed the cable in that direction between the heal and the end, with TLS, HTTP and the probes of the
 * link. The peer's is the bare stream, without a connection around it, from tables with Postgres's default replica
 * identity, where an update carries no old row.
 */
import { type BacklogResult, benchBacklog } from './backlog.ts';

const target = 0.15;

export interface WireDirection {
  bytesPerChange: number;
  rawBytesPerChange: number;
  ratio: number;
}

export interface WireResult {
  bench: 'wire';
  changes: number;
  /** Bytes of a change on the way up. */
  ours: number;
  peer: { name: string; rawBytesPerChange: number };
  /** The worse direction. */
  ratio: number;
  target: number;
  met: boolean;
  up: WireDirection;
  down: WireDirection;
}

/** @throws when a side ends unequal. */
export async function benchWire(changes: number, report: (line: string) => void): Promise<WireResult> {
  const reconcile = await benchBacklog('reconcile', changes, report);
  return wireOf(reconcile, await benchBacklog('pull', changes, report));
}

/** What two backlogs that were carried say of it. */
export function wireOf(reconcile: BacklogResult, pull: BacklogResult): WireResult {
  const [up, down] = [direction(reconcile), direction(pull)];
  const ratio = Math.max(up.ratio, down.ratio);
  return {
    bench: 'wire',
    changes: reconcile.changes,
    ours: up.bytesPerChange,
    peer: { name: 'raw pgoutput stream', rawBytesPerChange: up.rawBytesPerChange },
    ratio,
    target,
    met: ratio <= target,
    up,
    down,
  };
}

function direction({ ours, peer, wireRatio }: BacklogResult): WireDirection {
  return {
    bytesPerChange: ours.wireBytesPerChange,
    rawBytesPerChange: peer.rawBytesPerChange,
    ratio: wireRatio,
  };
}
