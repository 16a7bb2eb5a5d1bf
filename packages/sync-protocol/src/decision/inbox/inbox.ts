/**
 * The inbox: what a person who decides may ask for. A site's own database is one such inbox (`postgres-inbox.ts`), the admin
 * API of a box another; commands and pages do not see which.
 */
import type { CarriedOut } from '../carry-out.ts';
import type { NewDecision } from '../decision.ts';
import type { ConflictEntry, ConflictKind, ConflictStatus } from '../entry.ts';

/** A page holds at most this many entries, and this many unless told otherwise. */
export const maxConflictsPerPage = 100;
export const usualConflictsPerPage = 20;

export interface ConflictFilter {
  status?: ConflictStatus | undefined;
  kind?: ConflictKind | undefined;
  table?: string | undefined;
  campus?: string | undefined;
  limit?: number | undefined;
  /** `next` of the page before. */
  after?: string | undefined;
}

export interface ConflictPage {
  /** The newest first. Changes of parked transactions are left out: ask for the entry itself. */
  conflicts: ConflictEntry[];
  /** How many fit the filter, and how many of these are open. */
  total: number;
  open: number;
  /** What to ask for as `after`; null at the end. */
  next: string | null;
}

export interface AskedDecision {
  ids: readonly string[];
  decision: NewDecision;
  by: string;
  dryRun: boolean;
}

export interface AskedUndo {
  ids: readonly string[];
  by: string;
  force: boolean;
  dryRun: boolean;
}

export interface Inbox {
  list(filter: ConflictFilter): Promise<ConflictPage>;
  /** @throws DecisionError CONFLICT_UNKNOWN */
  get(id: string): Promise<ConflictEntry>;
  /** @throws DecisionError TOO_MANY. Problems of single entries stand in the answer. */
  decide(asked: AskedDecision): Promise<CarriedOut>;
  undo(asked: AskedUndo): Promise<CarriedOut>;
}
