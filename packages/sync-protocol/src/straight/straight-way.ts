/**
 * The straight way to write changes of the other site: blocks are written set by set, on the condition that every row stands as
 * that site saw it when it changed it. No row is looked at before: each statement says what must hold, and its count whether it
 * did. If every count is right, the merge would have found no conflict in any change, and each column would have become
 * what the other site wrote; if one is not, everything is undone, and the blocks go the long way, with a look at every row.
 *
 * In this order: what the campus may do at all, by set, where a campus writes; then block by block and layer by layer, so that two
 * changes of a row stay in order, the sets; at the end foreign keys, and whose the parents are.
 *
 * It does not find out why a block cannot be applied: that is for the long way to say.
 */
import { type Block, type ChangeSet, rowAt } from '../block/block.ts';
import type { Catalog, ForeignKey, Table } from '../postgres/apply/catalog.ts';
import type { RowChange } from '../postgres/apply/references.ts';
import type { RowStore, Statement } from '../postgres/apply/row-store.ts';
import { keyOf, type Row } from '../transaction/transaction.ts';
import { isComparable } from './as-seen.ts';
import { KnownParents } from './known-parents.ts';
import { layersOf } from './layers.ts';

export interface StraightContext {
  catalog: Catalog;
  rows: RowStore;
  /** Whose changes these are, where that bounds what they may do; null for those of the authority. */
  campus: string | null;
}

/** A row stood otherwise than it was seen. */
class NotAsSeen extends Error {}

export interface StraightOptions {
  /** Called once, while the database is at work. */
  meanwhile?(): void;
  /** Asked when everything is written and locked, while foreign keys are looked at: whether it may stay. */
  holds?(): Promise<boolean>;
}

/** So many statements are sent before the first of them is answered: the database never waits for the next one. */
const maxAhead = 4;

/** A block, and its sets in the order in which they are written. */
export interface StraightPlan {
  block: Block;
  sets: readonly ChangeSet[];
}

export class StraightWay {
  readonly #context: StraightContext;
  readonly #parents: KnownParents;

  constructor(context: StraightContext) {
    this.#context = context;
    this.#parents = new KnownParents(context);
  }

  /** @returns null for a block that cannot go straight. */
  plan(block: Block): StraightPlan | null {
    const { catalog, campus } = this.#context;
    if (!block.sets.every((set) => mayGoStraight(catalog, campus, set))) return null;
    return { block, sets: layersOf(block).flat() };
  }

  /** Something else has written in this commit. */
  forget(): void {
    this.#parents.forget();
  }

  /** @returns whether all the blocks are applied, one behind the other; if not, nothing of them is. */
  async apply(
    plans: readonly StraightPlan[],
    { meanwhile = () => {}, holds = async () => true }: StraightOptions = {},
  ): Promise<boolean> {
    try {
      await this.#context.rows.attempt(async () => {
        await this.#write(plans, meanwhile);
        await allAsSeen([holds(), ...this.#refer(plans)]);
      });
      return true;
    } catch (error) {
      this.forget();
      if (error instanceof NotAsSeen || isRefusal(error)) return false;
      throw error;
    }
  }

  async #write(plans: readonly StraightPlan[], meanwhile: () => void): Promise<void> {
    const sets = plans.flatMap((plan) => plan.sets);
    const answers: Promise<boolean>[] = [];
    for (const [index, set] of sets.entries()) {
      const oldest = answers.at(-maxAhead);
      if (oldest) await allAsSeen([oldest]);
      const written = this.#statement(this.#table(set), set)();
      answers.push(written.then((count) => count === set.size));
      // Whatever it comes to is looked at in its turn.
      answers.at(-1)?.catch(() => {});
      if (index === Math.min(maxAhead, sets.length) - 1) meanwhile();
    }
    await allAsSeen(answers);
  }

  /** Whether what is written refers to rows that are there, and nothing to rows that are gone. */
  #refer(plans: readonly StraightPlan[]): Promise<boolean>[] {
    for (const set of plans.flatMap(({ sets }) => sets)) this.#parents.wrote(this.#table(set), set);
    const sets = plans.flatMap(({ block }) => block.sets);
    const stand = sets.map((set) => this.#parents.stand(this.#table(set), set));
    const gone = sets.flatMap((set) => deletions(this.#table(set), set));
    return [...stand, this.#context.rows.remainingChild(gone).then((child) => child === null)];
  }

  #table({ table }: ChangeSet): Table {
    return this.#context.catalog.tables.get(table) as Table;
  }

  #statement(table: Table, { op, key, before, after }: ChangeSet): Statement {
    const { campus, rows } = this.#context;
    if (op === 'insert' && after) return rows.insertColumns(table, after);
    if (op === 'update' && before && after) return rows.updateAsSeen(table, { key, before, after }, campus);
    if (before) return rows.deleteAsSeen(table, { key, before }, campus);
    throw new Error(`a set of ${table.name} has neither what was nor what is`);
  }
}

/** @throws NotAsSeen, or the first error. */
async function allAsSeen(answers: readonly Promise<boolean>[]): Promise<void> {
  if (!(await Promise.all(answers)).every(Boolean)) throw new NotAsSeen();
}

/** Whether nothing that the set says of itself stands in the way. What does is judged, and said, on the long way. */
function mayGoStraight({ tables }: Catalog, campus: string | null, set: ChangeSet): boolean {
  const table = tables.get(set.table);
  if (!table || (campus !== null && !mayCampus(campus, table, set))) return false;
  const { op, key, before, after } = set;
  const names = [...(before?.names ?? []), ...(after?.names ?? [])];
  return (
    key.names.join('\0') === table.keyColumns.join('\0') &&
    names.every((name) => table.columns.has(name)) &&
    holdsKey(set, table) &&
    (op === 'insert' ? before === null : isChange(table, set))
  );
}

function mayCampus(campus: string, { through, rule }: Table, { op, before, after }: ChangeSet): boolean {
  if (through || rule.direction === 'down') return false;
  if (op !== 'insert' && rule.appendOnly) return false;
  if (op === 'update' && rule.readOnlyColumns.some((name) => after?.names.includes(name))) return false;
  return staysWith(campus, { op, before, after }, rule.scope);
}

/** What the rows hold of their key is the key that the changes name. */
function holdsKey({ key, before, after, op }: ChangeSet, table: Table): boolean {
  const agrees = table.keyColumns.every((name, index) =>
    [before, after].every((columns) => {
      const values = columns?.values[columns.names.indexOf(name)];
      const named = key.values[index];
      return values === undefined || values === named || values.every((value, row) => value === named?.[row]);
    }),
  );
  return agrees && (op !== 'insert' || table.keyColumns.every((name) => after?.names.includes(name)));
}

function staysWith(
  campus: string,
  { op, before, after }: Pick<ChangeSet, 'op' | 'before' | 'after'>,
  scope: string | null,
): boolean {
  if (scope === null) return true;
  const owners = [before, after].flatMap((columns) => {
    const values = columns?.values[columns.names.indexOf(scope)];
    return values ? [values] : [];
  });
  if (op === 'insert' && owners.length === 0) return false;
  return owners.every((values) => values.every((owner) => owner === campus));
}

function isChange(table: Table, { op, before, after }: ChangeSet): boolean {
  if (!before || before.names.length === 0 || !isComparable(table, before.names)) return false;
  if (op === 'delete') return true;
  const changed = after?.names ?? [];
  const isSeen = changed.every((name) => before.names.includes(name));
  const isReferred = table.referencedBy.some(({ parentColumns }) =>
    parentColumns.some((name) => changed.includes(name) && !table.keyColumns.includes(name)),
  );
  return isSeen && !isReferred && table.references.every((key) => saysAllOrNothing(key, changed));
}

/** A foreign key of several columns of which a change names some: the others are only in the row. */
function saysAllOrNothing({ childColumns }: ForeignKey, changed: readonly string[]): boolean {
  const named = childColumns.filter((name) => changed.includes(name)).length;
  return named === 0 || named === childColumns.length;
}

/** Something in the block, and not the database's own trouble: 23 and 22 are integrity and values, 428xx casts. */
function isRefusal(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return code.startsWith('23') || code.startsWith('22') || code === '42804' || code === '42846';
}

function deletions(table: Table, { op, size, key, before }: ChangeSet): RowChange[] {
  if (op !== 'delete' || !before || table.referencedBy.length === 0) return [];
  return Array.from({ length: size }, (_, index) => {
    const row: Row = { ...rowAt(before, index), ...keyOf(rowAt(key, index), table.keyColumns) };
    return { table, before: row, after: null };
  });
}
