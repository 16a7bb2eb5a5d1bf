/**
 * What a drill proved, in a form that a stranger can check: canonical JSON, signed with Ed25519 by the key of whoever ran the
 * drill. FORMAT.md says who that is, and who unlocks the recovery key for it.
 */
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { type ManifestKey, verifySignature } from '../keys/manifest-key.ts';

const moment = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$' });
const milliseconds = Type.Integer({ minimum: 0 });

export const ProofBody = Type.Object(
  {
    v: Type.Literal(1),
    drill: Type.String({ minLength: 1 }),
    site: Type.String({ minLength: 1 }),
    kind: Type.Union([Type.Literal('base'), Type.Literal('dump')]),
    /** The only region that was read. */
    region: Type.String({ minLength: 1 }),
    at: moment,
    passed: Type.Boolean(),
    /** The base or dump that was restored, and what its figures were compared with. Null when it did not come to that. */
    object: Type.Union([Type.Object({ name: Type.String(), sha256: Type.String() }), Type.Null()]),
    compared: Type.Union([
      Type.Object({
        with: Type.String(),
        tables: Type.Integer(),
        rows: Type.Integer(),
        totals: Type.Record(Type.String(), Type.String()),
      }),
      Type.Null(),
    ]),
    smoke: Type.Union([Type.Literal('passed'), Type.Literal('failed'), Type.Literal('none')]),
    /** From the order to a server that answers with the data compared. */
    rtoMs: Type.Union([milliseconds, Type.Null()]),
    /** From the newest commit that this region alone gives back to the moment of the drill. */
    rpoMs: Type.Union([milliseconds, Type.Null()]),
    problems: Type.Array(Type.String()),
  },
  { additionalProperties: false },
);

export interface Proof {
  v: 1;
  drill: string;
  site: string;
  kind: 'base' | 'dump';
  region: string;
  at: string;
  passed: boolean;
  object: { name: string; sha256: string } | null;
  compared: { with: string; tables: number; rows: number; totals: Record<string, string> } | null;
  smoke: 'passed' | 'failed' | 'none';
  rtoMs: number | null;
  rpoMs: number | null;
  problems: string[];
}

export interface SignedProof {
  proof: Proof;
  /** Raw Ed25519 public key, base64url. */
  key: string;
  /** Over the canonical JSON of `proof`, base64url. */
  signature: string;
}

export function signProof(proof: Proof, key: ManifestKey): SignedProof {
  return { proof, key: key.publicKey, signature: key.sign(proofBytes(proof)).toString('base64url') };
}

/** Null: not signed by any of the trusted keys, changed since, or no proof at all. */
export function readProof(text: string, trusted: ReadonlySet<string>): Proof | null {
  try {
    const { proof, key, signature } = JSON.parse(text) as SignedProof;
    if (!trusted.has(key) || !Value.Check(ProofBody, proof)) return null;
    return verifySignature(key, proofBytes(proof), Buffer.from(signature, 'base64url')) ? proof : null;
  } catch {
    return null;
  }
}

function proofBytes(proof: Proof): Buffer {
  return Buffer.from(`skooly-drill-proof\n${canonical(proof)}`);
}

/** Keys in order, no spaces: the same bytes for the same proof. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`).join(',')}}`;
}
