/** What a table of the model is: its columns as Postgres types, its keys, and the rules that the database itself enforces. */
import type { Row } from '@skooly-edge/sync-protocol';

export type ColumnType = 'text' | 'integer' | 'jsonb' | 'timestamptz';

export interface TableDefinition {
  name: string;
  columns: Record<string, ColumnType>;
  /** Alphabetical. */
  primaryKey: string[];
  unique?: { name: string; columns: string[] }[];
  foreignKeys?: { name: string; columns: string[]; parent: string; parentColumns: string[] }[];
  checks?: { name: string; holds(row: Row): boolean }[];
  /** Whether capture reads it; the engine's own tables are not published. */
  published: boolean;
}

/** @returns the value as Postgres prints it. */
export function printed(type: ColumnType, value: string): string {
  if (type === 'jsonb') return printedJson(JSON.parse(value));
  if (type === 'timestamptz') return printedTime(value);
  return value;
}

/** `{"a": 1, "bb": [2, 3]}`: shorter names first, then by bytes. */
function printedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printedJson).join(', ')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  return `{${entries.map(([name, entry]) => `${JSON.stringify(name)}: ${printedJson(entry)}`).join(', ')}}`;
}

/** `2026-11-23 05:29:20.123+00` */
function printedTime(value: string): string {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00)$/.exec(value);
  if (!match) throw new Error(`the model does not read ${value} as a time`);
  const [, day, time, fraction = ''] = match;
  const digits = fraction.slice(0, 6).replace(/0+$/, '');
  return `${day} ${time}${digits === '' ? '' : `.${digits}`}+00`;
}
