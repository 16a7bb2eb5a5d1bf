/** Everything that was ever committed at a site, in order, whatever became of the database since. For the checks and the trace. */
import {
  type AppliedMessage,
  Assembler,
  appliedMessage,
  type CapturedChange,
  type CapturedTransaction,
  type Row,
  rowId,
} from '@skooly-edge/sync-protocol';
import type { WalRecord } from './database/database.ts';
import { schoolCatalog } from './school/schema.ts';

export interface Committed extends CapturedTransaction {
  /** True time. */
  atUs: number;
  /** What of a campus's log the commit applied, if it is such a one. */
  applied: AppliedMessage | null;
}

export class History {
  readonly commits: Committed[] = [];
  readonly #assembler = new Assembler({
    table: (name) => {
      const table = schoolCatalog.tables.get(name);
      return { keyColumns: table?.keyColumns ?? [], by: table?.rule.by ?? null };
    },
    skipOrigin: () => false,
  });

  add(record: WalRecord, atUs: number): Committed | null {
    for (const message of record.messages) {
      const transaction = this.#assembler.add(message);
      if (!transaction) continue;
      const content = transaction.messages.find(({ prefix }) => prefix === appliedMessage)?.content;
      const commit = {
        ...transaction,
        atUs,
        applied: content ? (JSON.parse(content) as AppliedMessage) : null,
      };
      this.commits.push(commit);
      return commit;
    }
    return null;
  }

  /** Of the site's own writers. */
  get own(): Committed[] {
    return this.commits.filter((commit) => commit.origin === null && commit.changes.length > 0);
  }
}

/** What became of each row that the commit touched, from how it was before to how it was after. */
export function netChanges({
  changes,
}: Committed): { table: string; key: Row; before: Row | null; after: Row | null }[] {
  const net = new Map<string, { table: string; key: Row; before: Row | null; after: Row | null }>();
  for (const { table, key, op, whole, wholeBefore } of changes) {
    const id = rowId(table, key);
    const before = net.has(id) ? (net.get(id)?.before ?? null) : wholeBefore;
    net.set(id, { table, key, before, after: op === 'delete' ? null : whole });
  }
  return [...net.values()];
}

const tokenPattern = /t:[a-z0-9.-]+/g;

/** Names of values that stand in the text: each was written once. */
export function tokensIn(text: string | null | undefined): string[] {
  return text?.match(tokenPattern) ?? [];
}

export function tokensOf(
  change: Pick<CapturedChange, 'before' | 'after'>,
  side: 'before' | 'after',
): string[] {
  return Object.values(change[side] ?? {}).flatMap((value) => (value?.startsWith('t:') ? [value] : []));
}
