/** Several changes of one row must be written one after the other; changes of different rows may be written together. */
import type { Block, ChangeSet, Columns } from '../block/block.ts';
import type { Value } from '../transaction/transaction.ts';

const order = { delete: 0, update: 1, insert: 2 } as const;

/**
 * The sets of a block in layers: the first changes of all rows, the second changes, and so on. Within a layer no row stands
 * twice, what gives a value free comes before what takes it, and tables come in one order everywhere.
 */
export function layersOf(block: Block): ChangeSet[][] {
  const rowsByLayer: number[][][] = [];
  const depths = new Map<string, Map<string, number>>();
  const next = block.sets.map(() => 0);
  for (const index of block.order) {
    const set = block.sets[index] as ChangeSet;
    const row = next[index] as number;
    next[index] = row + 1;
    const ofTable = depths.get(set.table) ?? new Map<string, number>();
    if (ofTable.size === 0) depths.set(set.table, ofTable);
    const id = identity(set.key, row);
    const depth = ofTable.get(id) ?? 0;
    ofTable.set(id, depth + 1);
    const layer = rowsByLayer[depth] ?? block.sets.map(() => []);
    rowsByLayer[depth] = layer;
    layer[index]?.push(row);
  }
  return rowsByLayer.map((rowsOf) =>
    rowsOf
      .flatMap((rows, index) => (rows.length > 0 ? [pick(block.sets[index] as ChangeSet, rows)] : []))
      .sort((a, b) => order[a.op] - order[b.op] || (a.table < b.table ? -1 : 1)),
  );
}

function identity({ values }: Columns, row: number): string {
  if (values.length === 1) return values[0]?.[row] as string;
  return JSON.stringify(values.map((column) => column[row]));
}

function pick(set: ChangeSet, rows: readonly number[]): ChangeSet {
  if (rows.length === set.size) return set;
  const some = (values: readonly Value[]) => rows.map((row) => values[row] as Value);
  const someOf = ({ names, values }: Columns): Columns => ({ names, values: values.map(some) });
  return {
    ...set,
    size: rows.length,
    key: someOf(set.key),
    before: set.before && someOf(set.before),
    after: set.after && someOf(set.after),
    by: set.by && some(set.by),
  };
}
