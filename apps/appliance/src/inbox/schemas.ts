/** The inbox on the wire of the admin API. */
import {
  conflictKinds,
  conflictStatuses,
  maxConflictsPerPage,
  maxDecisionsAtOnce,
} from '@skooly-edge/sync-protocol';
import Type from 'typebox';

const Text = Type.String({ maxLength: 256 });
const MaybeText = Type.Union([Type.String(), Type.Null()]);
const Row = Type.Record(Type.String(), MaybeText);
const MaybeRow = Type.Union([Row, Type.Null()]);
const Status = Type.Enum([...conflictStatuses]);

export const FilterQuery = Type.Object({
  status: Type.Optional(Status),
  kind: Type.Optional(Type.Enum([...conflictKinds])),
  table: Type.Optional(Text),
  campus: Type.Optional(Text),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: maxConflictsPerPage })),
  after: Type.Optional(Text),
});

export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

export const Entry = Type.Object({
  id: Type.String(),
  campus: Type.String(),
  kind: Type.String(),
  table: Type.String(),
  key: Row,
  before: MaybeRow,
  campusValue: MaybeRow,
  cloudValue: MaybeRow,
  result: MaybeRow,
  rule: Type.Record(Type.String(), Type.String()),
  detail: MaybeText,
  parked: Type.Union([Type.Array(Type.Unknown()), Type.Null()]),
  status: Status,
  campusAt: Type.String(),
  cloudAt: MaybeText,
  campusBy: MaybeText,
  cloudBy: MaybeText,
  campusEpoch: Type.String(),
  campusSeq: Type.Integer(),
  createdAt: Type.String(),
  decidedAt: MaybeText,
  decidedBy: MaybeText,
  decision: Type.Unknown(),
});

export const Page = Type.Object({
  conflicts: Type.Array(Entry),
  total: Type.Integer(),
  open: Type.Integer(),
  next: MaybeText,
});

const Ids = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
  minItems: 1,
  maxItems: maxDecisionsAtOnce,
});
const By = Type.String({ minLength: 1, maxLength: 128, description: 'who decides' });
const exact = { additionalProperties: false };

const action = <const T extends string>(name: T) => Type.Object({ action: Type.Literal(name) }, exact);

export const Decision = Type.Union([
  action('campus'),
  action('cloud'),
  Type.Object({ action: Type.Literal('values'), values: Row }, exact),
  action('retry'),
  action('drop'),
  Type.Object(
    {
      action: Type.Literal('edit'),
      changes: Type.Array(Type.Object({ index: Type.Integer({ minimum: 0 }), values: Row }, exact), {
        minItems: 1,
        maxItems: 100,
      }),
    },
    exact,
  ),
]);

export const DecideBody = Type.Object(
  { ids: Ids, decision: Decision, by: By, dryRun: Type.Optional(Type.Boolean()) },
  exact,
);

export const UndoBody = Type.Object(
  {
    ids: Ids,
    by: By,
    force: Type.Optional(Type.Boolean()),
    dryRun: Type.Optional(Type.Boolean()),
  },
  exact,
);

const Problem = Type.Object({
  code: Type.String(),
  params: Type.Record(Type.String(), Type.String()),
  message: Type.String(),
  advice: Type.String(),
});

const Report = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  table: Type.String(),
  key: Row,
  status: Status,
  write: Type.Union([
    Type.Object({ op: Type.Enum(['insert', 'update', 'delete']), before: MaybeRow, after: MaybeRow }),
    Type.Null(),
  ]),
  changedSince: Type.Boolean(),
  standing: MaybeRow,
  inCloud: Type.Boolean(),
  problem: Type.Union([Problem, Type.Null()]),
});

/** `written` is false for a dry run, and when an entry has a problem. */
export const Outcome = Type.Object({ written: Type.Boolean(), entries: Type.Array(Report) });

/** Refused decisions say of each entry what stands in the way. */
export const Refusal = Type.Object({
  code: Type.String(),
  message: Type.String(),
  advice: Type.String(),
  params: Type.Optional(Type.Record(Type.String(), Type.String())),
  written: Type.Optional(Type.Boolean()),
  entries: Type.Optional(Type.Array(Report)),
});
