import { LabError } from '../errors.ts';

/** What the cable does to traffic while it is up. */
export interface Shape {
  /** Bandwidth of each direction, shared by all connections; null when unlimited. */
  readonly kbps: number | null;
  /** Round trip; each direction takes half. */
  readonly rttMs: number;
  /** Share of lost packets, 0 to 90. */
  readonly lossPct: number;
}

export const UNSHAPED: Shape = { kbps: null, rttMs: 0, lossPct: 0 };

const MAX_LOSS_PCT = 90;
const MAX_RTT_MS = 60_000;

/** The shape with the given fields changed; refuses what no cable can do. */
export function reshape(shape: Shape, change: Partial<Shape>): Shape {
  const next = { ...shape, ...change };
  if (next.kbps !== null && !(next.kbps > 0)) throw invalid('kbps', 'above 0');
  if (!(next.rttMs >= 0 && next.rttMs <= MAX_RTT_MS)) throw invalid('rtt-ms', `from 0 to ${MAX_RTT_MS}`);
  if (!(next.lossPct >= 0 && next.lossPct <= MAX_LOSS_PCT))
    throw invalid('loss', `from 0 to ${MAX_LOSS_PCT} (percent)`);
  return next;
}

function invalid(field: string, range: string): LabError {
  return new LabError(
    'OPTION_INVALID',
    `The cable's ${field} must be a number ${range}.`,
    `Give ${field} another value.`,
  );
}
