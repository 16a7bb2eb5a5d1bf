/**
 * The day's own book: which rows a request wrote, with what, who answered, and whether it was acknowledged. It is kept
 * apart from both databases, so that it can be held against them. Plain data: it can be stored as JSON.
 */

/** `gateway`: the campus's one address. `cloud`: cloud Skooly itself, as seen from outside the campus. */
export type Via = 'gateway' | 'cloud';

/**
 * `uncertain`: never answered, or answered by another site than the one that was looked at before, so that nobody can
 * say whether it changed anything there. It may be found, and need not be.
 */
export type Outcome = 'acknowledged' | 'uncertain';

export interface LedgerWrite {
  kind: 'roll-call' | 'attendance' | 'mark' | 'payment' | 'receipt' | 'pupil';
  /** The Idempotency-Key of the request. */
  key: string;
  /** Schema-qualified. */
  table: string;
  rowKey: { id: string };
  /** `append`: this very row, for ever. `update`: these columns, until somebody writes them again. */
  mode: 'append' | 'update';
  /** Column → Postgres text. Null for the whole: the row was taken away. */
  columns: Record<string, string | null> | null;
  outcome: Outcome;
  via: Via;
  /** The `skooly-site` of the answer. */
  site: string | null;
  /** When the first attempt was sent, and when the answer came (or the last attempt was given up). */
  sentAtMs: number;
  answeredAtMs: number;
}

export interface Refusal {
  key: string;
  request: string;
  status: number;
  code: string;
  message: string;
}

export interface DayLedger {
  campus: string;
  date: string;
  startedAtMs: number;
  endedAtMs: number;
  /**
   * Keyed requests by what became of them; attempts that were repetitions; and writes that were never sent because what
   * they were about could not be read.
   */
  requests: {
    acknowledged: number;
    unacknowledged: number;
    refused: number;
    repeated: number;
    skipped: number;
  };
  /** Answers by the site that gave them. */
  served: Record<string, number>;
  refusals: Refusal[];
  writes: LedgerWrite[];
}

export function openLedger(campus: string, date: string, startedAtMs: number): DayLedger {
  const requests = { acknowledged: 0, unacknowledged: 0, refused: 0, repeated: 0, skipped: 0 };
  return {
    campus,
    date,
    startedAtMs,
    endedAtMs: startedAtMs,
    requests,
    served: {},
    refusals: [],
    writes: [],
  };
}

/** A moment as Postgres writes it in UTC, without trailing zeros. */
export function postgresMoment(ms: number): string {
  const [day, time = ''] = new Date(ms).toISOString().slice(0, -1).split('T');
  return `${day} ${time.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')}+00`;
}
