/**
 * A session token: `base64url(payload).base64url(signature)`, Ed25519 over the first half as it stands. Whoever holds
 * the site's public key can check it, so a session made on one side of the cable works on the other.
 */
import { sign, verify } from 'node:crypto';
import Type from 'typebox';
import { Value } from 'typebox/value';
import type { SessionKeys } from './keys.ts';

const SessionPayload = Type.Object(
  {
    staff: Type.String(),
    campus: Type.String(),
    role: Type.String(),
    /** The site that signed. */
    site: Type.String(),
    /** Seconds since 1970. */
    exp: Type.Integer(),
  },
  { additionalProperties: false },
);

export type SessionPayload = Type.Static<typeof SessionPayload>;

/** Nobody presents more; longer texts are not even decoded. */
const maxTokenLength = 1_024;

export function signSession(payload: SessionPayload, keys: SessionKeys): string {
  const body = Buffer.from(JSON.stringify(payload)).toString('base64url');
  return `${body}.${sign(null, Buffer.from(body), keys.privateKey).toString('base64url')}`;
}

/** @returns the payload, or undefined for anything that is not a session this site believes. */
export function verifySession(token: string, keys: SessionKeys, nowMs: number): SessionPayload | undefined {
  const [body = '', signature = '', ...rest] = token.length > maxTokenLength ? [] : token.split('.');
  const payload = rest.length === 0 ? decode(body) : undefined;
  if (!payload || payload.exp * 1_000 <= nowMs) return undefined;
  if (payload.site !== 'cloud' && payload.site !== payload.campus) return undefined;
  if (keys.site !== 'cloud' && payload.campus !== keys.site) return undefined;
  const key = keys.trusted.get(payload.site);
  if (!key || !verify(null, Buffer.from(body), key, Buffer.from(signature, 'base64url'))) return undefined;
  return payload;
}

function decode(body: string): SessionPayload | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(body, 'base64url').toString());
    return Value.Check(SessionPayload, json) ? json : undefined;
  } catch {
    return undefined;
  }
}
