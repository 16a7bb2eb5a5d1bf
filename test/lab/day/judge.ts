/**
 * Whether what a column holds at last can be explained by what was acknowledged for it. Pure. A row that was taken away
 * counts as null in each column that anybody wrote.
 */
import type { LedgerWrite } from './ledger.ts';

/** What a row of sync.conflict says of a row: the kind, and the values of both sides, before and after. */
export interface ConflictRow {
  kind: string;
  values: unknown[];
}

export interface Written {
  value: string | null;
  acknowledged: boolean;
  key: string;
  sentAtMs: number;
  answeredAtMs: number;
}

export type Verdict =
  | { judgement: 'held' | 'settled by conflict' }
  | { judgement: 'lost'; expected: string | null; key: string };

export function columnHistory(writes: readonly LedgerWrite[]): Map<string, Written[]> {
  const columns = new Set(writes.flatMap((write) => Object.keys(write.columns ?? {})));
  const history = new Map<string, Written[]>();
  for (const column of columns) {
    const written = writes.filter((write) => write.columns === null || column in write.columns);
    history.set(
      column,
      written.map(({ columns: values, outcome, key, sentAtMs, answeredAtMs }) => ({
        value: values?.[column] ?? null,
        acknowledged: outcome === 'acknowledged',
        key,
        sentAtMs,
        answeredAtMs,
      })),
    );
  }
  return history;
}

export function judgeColumn(about: {
  column: string;
  history: readonly Written[];
  value: string | null;
  conflicts: readonly ConflictRow[];
}): Verdict {
  const { column, history, value, conflicts } = about;
  const last = lastAcknowledged(history);
  const newest = last.at(-1);
  const explained = [...last, ...history.filter(({ acknowledged }) => !acknowledged)];
  if (!newest || explained.some((one) => one.value === value)) return { judgement: 'held' };
  if (conflicts.some((conflict) => names(conflict, column, newest.value)))
    return { judgement: 'settled by conflict' };
  return { judgement: 'lost', expected: newest.value, key: newest.key };
}

/** Acknowledged writes after whose answer no other was sent: of those that overlapped, any may be the last. */
function lastAcknowledged(history: readonly Written[]): Written[] {
  const acknowledged = history
    .filter((one) => one.acknowledged)
    .sort((a, b) => a.answeredAtMs - b.answeredAtMs);
  const lastSentAtMs = Math.max(...acknowledged.map((one) => one.sentAtMs));
  return acknowledged.filter((one) => one.answeredAtMs >= lastSentAtMs);
}

function names({ kind, values }: ConflictRow, column: string, value: string | null): boolean {
  if (value === null) return kind.startsWith('delete_') || values.includes(null);
  return values.some((side) => isObject(side) && column in side && String(side[column]) === value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
