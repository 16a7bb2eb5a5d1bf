import { type Static, Type } from 'typebox';
import { type SealedObject, SealedObjectSchema } from '../format/object.ts';

const hexSha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const entryNumber = Type.Integer({ minimum: 1, maximum: 999_999_999_999 });

/** A page of a checkpoint, by the hash of its bytes; see pages.ts. */
export const PageReference = Type.Object({
  name: Type.String({ minLength: 1 }),
  sha256: hexSha256,
  objects: count,
});
export type PageReference = Static<typeof PageReference>;

export const Removal = Type.Object({
  name: Type.String({ minLength: 1 }),
  reasons: Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
});
export type Removal = Static<typeof Removal>;

export const EntrySchema = Type.Object({
  v: Type.Literal(1),
  site: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
  number: entryNumber,
  previous: Type.Union([hexSha256, Type.Null()]),
  at: Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$' }),
  put: Type.Array(SealedObjectSchema),
  removed: Type.Array(Removal),
  checkpoint: Type.Optional(Type.Object({ objects: count, pages: Type.Array(PageReference) })),
});

/** One step of the chain. A checkpoint says what is live once `put` and `removed` of the same entry have been applied. */
export interface Entry {
  v: 1;
  site: string;
  number: number;
  /** SHA-256 of the whole file of the entry before; null in entry 1 alone. */
  previous: string | null;
  at: string;
  put: SealedObject[];
  removed: Removal[];
  checkpoint?: { objects: number; pages: PageReference[] };
}

/** An object that the manifest says exists, and the entry that put it. */
export interface LiveObject {
  entry: number;
  object: SealedObject;
}

/** How far a chain goes: what a reader or writer remembers, so that an older state cannot pass for the newest. */
export interface Head {
  number: number;
  /** Of the file of that entry. */
  sha256: string;
  at: string;
}
