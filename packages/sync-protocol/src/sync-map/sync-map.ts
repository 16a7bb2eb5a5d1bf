/**
 * The sync map says what is synced and how conflicts are settled: data, not code. One JSON file per database,
 * read once at start, refused with one sentence that names the field.
 */
import { readFileSync } from 'node:fs';
import Type from 'typebox';
import type { TLocalizedValidationError } from 'typebox/error';
import { Value } from 'typebox/value';
import { SyncError } from '../errors.ts';

const rowPolicies = ['newest', 'cloud', 'campus', 'inbox'] as const;

/** What makes one value of two makes no row of two: these are for columns. */
const columnPolicies = [...rowPolicies, 'sum', 'min', 'max', 'union'] as const;

const RowPolicyName = Type.Enum([...rowPolicies]);
const PolicyName = Type.Enum([...columnPolicies]);

/** How a conflict about a whole row is settled. `inbox`: the cloud's value stands for now, a person decides. */
export type RowPolicy = (typeof rowPolicies)[number];

/** How a conflict in a column is settled. */
export type Policy = (typeof columnPolicies)[number];

/** A row that clashes waits for a person, or its text column gets a suffix, so that both rows live. */
export type UniqueRule = 'inbox' | { suffix: string };

const UniqueEntry = Type.Union([
  Type.Literal('inbox'),
  Type.Object({ suffix: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
]);

const ScopeEntry = Type.Union([
  Type.String({ minLength: 1 }),
  Type.Null(),
  Type.Object({ through: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
]);

const TableEntry = Type.Object(
  {
    scope: ScopeEntry,
    direction: Type.Optional(Type.Enum(['both', 'down'])),
    policy: RowPolicyName,
    columns: Type.Optional(Type.Record(Type.String(), PolicyName)),
    appendOnly: Type.Optional(Type.Boolean()),
    readOnlyColumns: Type.Optional(Type.Array(Type.String())),
    unique: Type.Optional(Type.Record(Type.String(), UniqueEntry)),
    by: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { additionalProperties: false },
);

const SyncMapFile = Type.Object(
  {
    version: Type.Literal(1),
    database: Type.String({ minLength: 1 }),
    tables: Type.Record(Type.String(), TableEntry),
  },
  { additionalProperties: false },
);

/** One table of the sync map with its defaults filled in. */
export interface TableRule {
  /** Schema-qualified name. */
  table: string;
  /** The column that names the campus of a row; null: the table belongs to every campus, unless `through` says otherwise. */
  scope: string | null;
  /** The foreign key column by which a row belongs to the campus of the row that it points to. */
  through: string | null;
  /** `down`: a campus may read it but not write it. */
  direction: 'both' | 'down';
  policy: RowPolicy;
  columns: Record<string, Policy>;
  /** Rows may be added, never changed or deleted, by a campus. */
  appendOnly: boolean;
  /** Columns that a campus may not write. */
  readOnlyColumns: readonly string[];
  /** Unique constraint or index → how a clash is settled. */
  unique: Record<string, UniqueRule>;
  /** The column that tells who wrote the row. */
  by: string | null;
}

export interface SyncMap {
  database: string;
  tables: ReadonlyMap<string, TableRule>;
}

/** The engine's own synced table: conflicts travel like any other row. */
export const conflictTable = 'sync.conflict';

const conflictRule: TableRule = {
  table: conflictTable,
  scope: 'campus',
  through: null,
  direction: 'both',
  policy: 'newest',
  columns: {},
  appendOnly: false,
  readOnlyColumns: [],
  unique: {},
  by: 'decided_by',
};

/** @throws SyncError SYNC_MAP_INVALID naming the first field that is wrong. */
export function parseSyncMap(json: unknown): SyncMap {
  const [problem] = Value.Errors(SyncMapFile, json);
  if (problem) {
    const field = problem.instancePath.replaceAll('/', '.').replace(/^\./, '') || 'the file';
    throw new SyncError('SYNC_MAP_INVALID', `Sync map: ${field} ${sayWhat(problem)}.`);
  }
  const file = json as Type.Static<typeof SyncMapFile>;
  const tables = new Map<string, TableRule>();
  for (const [table, entry] of Object.entries(file.tables)) {
    if (!/^[^.]+\.[^.]+$/.test(table)) {
      throw new SyncError(
        'SYNC_MAP_INVALID',
        `Sync map: tables.${table} must be schema-qualified, like "public.pupil".`,
      );
    }
    if (table.startsWith('sync.')) {
      throw new SyncError(
        'SYNC_MAP_INVALID',
        `Sync map: tables.${table} belongs to the engine and cannot be mapped.`,
      );
    }
    tables.set(table, {
      table,
      scope: typeof entry.scope === 'string' ? entry.scope : null,
      through: entry.scope !== null && typeof entry.scope === 'object' ? entry.scope.through : null,
      direction: entry.direction ?? 'both',
      policy: entry.policy,
      columns: entry.columns ?? {},
      appendOnly: entry.appendOnly ?? false,
      readOnlyColumns: entry.readOnlyColumns ?? [],
      unique: entry.unique ?? {},
      by: entry.by ?? null,
    });
  }
  tables.set(conflictTable, conflictRule);
  return { database: file.database, tables };
}

function sayWhat({ keyword, message, params }: TLocalizedValidationError): string {
  if (keyword === 'boolean') return 'is no field of the sync map';
  if (keyword === 'enum') return `must be one of ${params.allowedValues.join(', ')}`;
  if (keyword === 'required') return `lacks ${params.requiredProperties.join(', ')}`;
  return message;
}

/** @throws SyncError SYNC_MAP_INVALID when the file cannot be read, is not JSON, or does not fit the schema. */
export function readSyncMap(path: string): SyncMap {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new SyncError(
      'SYNC_MAP_INVALID',
      `Sync map: ${path} cannot be read as JSON (${(cause as Error).message}).`,
      {
        cause,
      },
    );
  }
  return parseSyncMap(json);
}

/** The policy that settles a conflict in `column`. What a campus may not write is the cloud's, also in a row that both inserted. */
export function policyFor(rule: TableRule, column: string): Policy {
  if (rule.readOnlyColumns.includes(column)) return 'cloud';
  return rule.columns[column] ?? rule.policy;
}
