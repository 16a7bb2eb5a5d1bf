import { type Static, type TSchema, Type } from 'typebox';

/**
 * A sealed object: one file in a bucket, as the manifest describes it. FORMAT.md says what each field means. What is
 * read back from a bucket is checked against these schemas before anything looks at it.
 */

const hexSha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const utcTime = Type.String({
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?Z$',
});
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const lsn = Type.String({ pattern: '^[0-9A-F]{1,8}/[0-9A-F]{1,8}$' });
const timeline = Type.Integer({ minimum: 1, maximum: 0xffff_ffff });
const systemIdentifier = Type.String({ pattern: '^[0-9]{1,20}$' });

/** What a table held when the backup was made: what a drill compares with. */
export const TableFigures = Type.Object({
  table: Type.String({ minLength: 1 }),
  rows: count,
  checksum: Type.String({ minLength: 1, maxLength: 128 }),
});
export type TableFigures = Static<typeof TableFigures>;

const totals = Type.Optional(Type.Record(Type.String(), Type.String()));

export const about = {
  dump: Type.Object({
    database: Type.String({ minLength: 1 }),
    serverVersion: Type.String({ minLength: 1 }),
    takenAt: utcTime,
    tables: Type.Array(TableFigures),
    totals,
  }),
  base: Type.Object({
    systemIdentifier,
    timeline,
    startLsn: lsn,
    stopLsn: lsn,
    startedAt: utcTime,
    endedAt: utcTime,
    serverVersion: Type.String({ minLength: 1 }),
    /** Counted right after `endedAt`. */
    tables: Type.Array(TableFigures),
    totals,
    /** Of Postgres's own backup_manifest. */
    manifestSha256: hexSha256,
  }),
  wal: Type.Object({
    systemIdentifier,
    timeline,
    segment: Type.String({ pattern: '^[0-9A-F]{24}$' }),
    startLsn: lsn,
    endLsn: lsn,
    /** Every commit before this moment is in this segment or an earlier one. */
    closedAt: utcTime,
  }),
  history: Type.Object({
    systemIdentifier,
    timeline,
    file: Type.String({ pattern: '^[0-9A-F]{8}\\.history$' }),
  }),
  'sync-log': Type.Object({
    epoch: Type.String({ minLength: 1, maxLength: 64 }),
    fromSeq: count,
    toSeq: count,
  }),
  proof: Type.Object({ drill: Type.String({ minLength: 1, maxLength: 128 }) }),
};

export type AboutDump = Static<typeof about.dump>;
export type AboutBase = Static<typeof about.base>;
export type AboutWal = Static<typeof about.wal>;
export type AboutHistory = Static<typeof about.history>;
export type AboutSyncLog = Static<(typeof about)['sync-log']>;
export type AboutProof = Static<typeof about.proof>;

export const objectKinds = ['dump', 'base', 'wal', 'history', 'sync-log', 'proof'] as const;
export type ObjectKind = (typeof objectKinds)[number];

export interface AboutByKind {
  dump: AboutDump;
  base: AboutBase;
  wal: AboutWal;
  history: AboutHistory;
  'sync-log': AboutSyncLog;
  proof: AboutProof;
}

interface SealedObjectOf<K extends ObjectKind> {
  /** Key in the bucket; never used twice. See names.ts. */
  name: string;
  kind: K;
  /** Of the ciphertext, as `sha256` is. */
  bytes: number;
  sha256: string;
  /** Before compression. */
  plain: { bytes: number; sha256: string };
  /** Fingerprints of the OpenPGP keys, each of which opens it. */
  recipients: string[];
  sealedAt: string;
  about: AboutByKind[K];
}

/** `SealedObject<'wal'>` is one kind; `SealedObject` is any, told apart by `kind`. */
export type SealedObject<K extends ObjectKind = ObjectKind> = { [Kind in K]: SealedObjectOf<Kind> }[K];

export const SealedObjectSchema = Type.Union(objectKinds.map((kind) => sealedObject(kind, about[kind])));

function sealedObject(kind: ObjectKind, aboutKind: TSchema) {
  return Type.Object({
    name: Type.String({
      pattern: `^(?!.*(\\.\\.|//))[a-z0-9][a-z0-9-]{0,62}/${kind}/[A-Za-z0-9._/-]{1,200}$`,
    }),
    kind: Type.Literal(kind),
    bytes: count,
    sha256: hexSha256,
    plain: Type.Object({ bytes: count, sha256: hexSha256 }),
    recipients: Type.Array(Type.String({ pattern: '^[0-9A-F]{40}$' }), { minItems: 1 }),
    sealedAt: utcTime,
    about: aboutKind,
  });
}
