import type { ObjectKind } from '../format/object.ts';

/** Lower goes first: what closes the loss of the last minutes before what replaces something older. */
export const priorities: Record<ObjectKind, number> = {
  history: 0,
  wal: 1,
  'sync-log': 2,
  proof: 3,
  base: 4,
  dump: 5,
};

/** Small and urgent, or large and patient: each region has a lane for both, so that no dump holds up the WAL. */
export type Lane = 'urgent' | 'bulk';

const firstBulk = priorities.base;

export const laneRange: Record<Lane, readonly [number, number]> = {
  urgent: [0, firstBulk - 1],
  bulk: [firstBulk, Number.MAX_SAFE_INTEGER],
};
