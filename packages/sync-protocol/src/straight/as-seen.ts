/**
 * Statements that write many rows at once on the condition that they stand as the writer of the change saw them: no look
 * before, and the count says whether the condition held. Values travel as one array parameter per column.
 */
import type { ClientBase } from 'pg';
import type { Columns } from '../block/block.ts';
import type { Table } from '../postgres/apply/catalog.ts';
import type { SeenDeletes, SeenUpdates, Statement } from '../postgres/apply/row-store.ts';
import { quoteName, quoteTable } from '../postgres/session.ts';
import type { Value } from '../transaction/transaction.ts';
import { arrayParameter } from './array-parameter.ts';

type Parameter = string | Buffer;

/** Equal values of these types have equal texts, and the other way round. */
const byValue = new Set([
  'uuid',
  'smallint',
  'integer',
  'bigint',
  'boolean',
  'date',
  'timestamp with time zone',
  'timestamp without time zone',
]);

/** Of these, a cast to text gives the text that the server prints. */
const byText = new Set([
  'numeric',
  'json',
  'jsonb',
  'bytea',
  'real',
  'double precision',
  'text[]',
  'integer[]',
]);

const texts = new Set(['text', 'character varying']);

/** Whether the values of these columns can be held against a text in a statement, exactly. */
export function isComparable(table: Table, names: readonly string[]): boolean {
  return names.every((name) => {
    const type = table.columns.get(name)?.type ?? '';
    return byValue.has(type) || byText.has(type) || texts.has(type);
  });
}

/** Throws Postgres's own error for a key that is taken, as for any other unique value. */
export function insertColumns(client: ClientBase, table: Table, columns: Columns): Statement {
  const source = sourceOf(table, [columns]);
  const names = columns.names.map(quoteName).join(', ');
  return statement(client, {
    text: `INSERT INTO ${quoteTable(table.name)} (${names}) OVERRIDING SYSTEM VALUE
           SELECT ${columns.names.map((_, i) => `s.${alias(0, i)}`).join(', ')} FROM ${source.sql}`,
    values: source.values,
  });
}

/** Changes the rows that hold what `before` names and belong to `owner` (null: any), and counts them. */
export function updateAsSeen(
  client: ClientBase,
  table: Table,
  { key, before, after }: SeenUpdates,
  owner: string | null,
): Statement {
  const source = sourceOf(table, [key, before, after], 1);
  const assignments = after.names.map((name, i) => `${quoteName(name)} = s.${alias(2, i)}`).join(', ');
  return statement(client, {
    text: `UPDATE ${quoteTable(table.name)} t SET ${assignments} FROM ${source.sql}
           WHERE ${conditions(table, key, before, owner, source.values.length)}`,
    values: owner === null ? source.values : [...source.values, owner],
  });
}

/** Deletes the rows that hold what `before` names and belong to `owner` (null: any), and counts them. */
export function deleteAsSeen(
  client: ClientBase,
  table: Table,
  { key, before }: SeenDeletes,
  owner: string | null,
): Statement {
  const source = sourceOf(table, [key, before], 1);
  return statement(client, {
    text: `DELETE FROM ${quoteTable(table.name)} t USING ${source.sql}
           WHERE ${conditions(table, key, before, owner, source.values.length)}`,
    values: owner === null ? source.values : [...source.values, owner],
  });
}

/** Statements of which Postgres is told to keep the plan, in each session. */
const names = new Map<string, string>();
const maxNamed = 500;

function statement(client: ClientBase, query: { text: string; values: Parameter[] }): Statement {
  let name = names.get(query.text);
  if (name === undefined && names.size < maxNamed) {
    name = `as_seen_${names.size}`;
    names.set(query.text, name);
  }
  return async () => (await client.query({ ...query, name })).rowCount ?? 0;
}

/** Equality is for the key alone, so that it is the key's index by which rows are found. */
function conditions(
  table: Table,
  key: Columns,
  before: Columns,
  owner: string | null,
  parameters: number,
): string {
  const keys = key.names.map((name, i) => `t.${quoteName(name)} = s.${alias(0, i)}`);
  const seen = before.names.map((name, i) => `${held(table, name)} IS NOT DISTINCT FROM s.${alias(1, i)}`);
  const { scope } = table.rule;
  const owned =
    owner === null || scope === null
      ? []
      : [`t.${quoteName(scope)} IS NOT DISTINCT FROM $${parameters + 1}::${table.columns.get(scope)?.type}`];
  return [...keys, ...seen, ...owned].join(' AND ');
}

function held(table: Table, name: string): string {
  const type = table.columns.get(name)?.type ?? '';
  if (texts.has(type)) return `t.${quoteName(name)} COLLATE "C"`;
  return byText.has(type) ? `t.${quoteName(name)}::text` : `t.${quoteName(name)}`;
}

/** @param compared Index of the group of columns that is compared, whose values may have to stay text. */
function sourceOf(
  table: Table,
  groups: readonly Columns[],
  compared = -1,
): { sql: string; values: Parameter[] } {
  const casts: string[] = [];
  const names: string[] = [];
  const selected: string[] = [];
  const values: Parameter[] = [];
  for (const [group, columns] of groups.entries()) {
    for (const [index, name] of columns.names.entries()) {
      const column = table.columns.get(name);
      if (!column) throw new Error(`${table.name} has no column ${name}`);
      const { type } = column;
      const staysText = group === compared && byText.has(type);
      const direct = column.arrayable && !staysText && !type.endsWith('[]');
      values.push(arrayParameter(direct ? type : 'text', columns.values[index] as readonly Value[]));
      casts.push(`$${values.length}::${direct ? `${type}[]` : 'text[]'}`);
      names.push(alias(group, index));
      const raw = `r.${alias(group, index)}`;
      selected.push(direct || staysText ? raw : `${raw}::${type} AS ${alias(group, index)}`);
    }
  }
  return {
    sql: `(SELECT ${selected.join(', ')} FROM unnest(${casts.join(', ')}) AS r(${names.join(', ')})) AS s`,
    values,
  };
}

function alias(group: number, index: number): string {
  return `g${group}c${index}`;
}
