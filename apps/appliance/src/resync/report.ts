/** What is asked of a resync, and what it says of itself while it runs and afterwards: as schema and as type. */
import Type from 'typebox';
import { repairs } from './difference.ts';

const orNull = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Count = Type.Integer({ minimum: 0 });
const Mode = Type.Enum(['policy', 'cloud-wins', 'campus-wins']);
const Table = Type.String({ minLength: 1, maxLength: 256 });
const Key = Type.Record(Type.String(), Type.String());

/** Rows that may be chosen by key in one run. */
export const maxChosenKeys = 1_000;

export const SelectionSchema = Type.Object({
  /** Null: all that are synced. */
  table: orNull(Table),
  /** Null: every row. */
  keys: orNull(Type.Array(Key, { minItems: 1, maxItems: maxChosenKeys })),
});

export const RequestSchema = Type.Object({
  ...SelectionSchema.properties,
  mode: Mode,
  /** Null: as fast as it goes. */
  throttleBytesPerSecond: orNull(Type.Integer({ minimum: 1_000 })),
});

/** The steps, in their order; `waiting`: for the link, or until the box has caught up. */
export const steps = ['waiting', 'compare', 'repair', 'verify', 'finished'] as const;

export const ReportSchema = Type.Object({
  id: Type.String(),
  reason: Type.String({ description: 'manual, proof, or why the box asked for it itself' }),
  mode: Mode,
  state: Type.Enum(['running', 'done', 'cancelled', 'failed']),
  step: Type.Enum([...steps]),
  startedAt: Type.String(),
  finishedAt: orNull(Type.String()),
  table: orNull(Table),
  tables: Count,
  tablesDone: Count,
  rowsCompared: Count,
  rowsTotal: Count,
  differences: Count,
  repaired: Count,
  remaining: orNull(Count),
  bytes: Count,
  etaSeconds: orNull(Count),
  problem: orNull(Type.String()),
});

export const ProofSchema = Type.Object({
  at: Type.String(),
  equal: Type.Boolean({ description: 'no row differed' }),
  tables: Count,
  differences: Count,
  remaining: Type.Integer({ minimum: 0, description: 'rows that still differed after the repair' }),
});

const Direction = Type.Object({ rows: Count, bytes: Count });

export const PlanSchema = Type.Object({
  mode: Mode,
  tables: Type.Array(
    Type.Object({
      table: Table,
      rows: Count,
      differences: Count,
      toCloud: Direction,
      toCampus: Direction,
      conflicts: Count,
      repairs: Type.Object(Object.fromEntries(repairs.map((name) => [name, Count])), {
        additionalProperties: false,
      }),
    }),
  ),
  bytes: Count,
  /** Null: nothing was moved by which the link could be judged. */
  seconds: orNull(Type.Number()),
  bytesPerSecond: orNull(Count),
  comparedBytes: Type.Integer({ minimum: 0, description: 'what making this plan moved' }),
});

export type Selection = Type.Static<typeof SelectionSchema>;
export type ResyncRequest = Type.Static<typeof RequestSchema>;
export type ResyncReport = Type.Static<typeof ReportSchema>;
export type Proof = Type.Static<typeof ProofSchema>;
export type Plan = Type.Static<typeof PlanSchema>;

/** From what is done and how long it took; null while that says nothing. */
export function etaSeconds(done: number, total: number, elapsedMs: number): number | null {
  if (done <= 0 || elapsedMs <= 0 || total <= 0) return null;
  return Math.ceil((Math.max(0, total - done) * elapsedMs) / done / 1_000);
}
