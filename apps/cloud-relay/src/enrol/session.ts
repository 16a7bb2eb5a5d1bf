/**
 * Sessions of boxes: a challenge, its signature with the box's key, and for that a token that lives a quarter of an hour.
 *
 * Any relay of the database takes what another one gave out. A challenge is sealed rather than stored, so that asking for
 * one writes nothing; it is good for one minute, one campus and one key, and once: using it is remembered until it has
 * expired. Of a token the hash is kept. Only who has signed a challenge is told that its key waits, or is revoked.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readPublicKeyText, sessionText, signatureFits } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import { RelayError } from '../errors.ts';

export const challengeSeconds = 60;
export const sessionSeconds = 15 * 60;

const challengePattern = /^(\d{1,12})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;
const tokenPattern = /^edge\.([a-z][a-z0-9-]{1,31})\.[A-Za-z0-9_-]{43}$/;

interface Box {
  campus: string;
  fingerprint: string;
}

/** The box is told how long it lives, never until when: its clock is not asked. */
export interface Challenge {
  challenge: string;
  expiresInMs: number;
}

export interface Session {
  token: string;
  expiresInMs: number;
}

export async function makeChallenge(pool: Pool, box: Box): Promise<Challenge> {
  const { secret, now } = await readSecret(pool);
  const body = `${now + challengeSeconds}.${randomBytes(16).toString('base64url')}`;
  return { challenge: `${body}.${seal(secret, body, box)}`, expiresInMs: challengeSeconds * 1_000 };
}

/** @throws RelayError PROOF_INVALID, BOX_UNKNOWN, BOX_PENDING, BOX_REVOKED */
export async function openSession(
  pool: Pool,
  { challenge, signature, ...box }: Box & { challenge: string; signature: string },
): Promise<Session> {
  const expiresAt = await readChallenge(pool, challenge, box);
  const { rows } = await pool.query<{ public_key: string; state: string }>(
    'SELECT public_key, state FROM sync.box_key WHERE fingerprint = $1 AND campus = $2',
    [box.fingerprint, box.campus],
  );
  const key = rows[0];
  if (!key) throw new RelayError('BOX_UNKNOWN', 'The cloud does not know this key as one of the campus.');
  const text = sessionText(challenge, box.campus, box.fingerprint);
  if (!signatureFits(text, signature, readPublicKeyText(key.public_key)))
    throw new RelayError('PROOF_INVALID', 'The signature does not fit the challenge.');
  await useChallenge(pool, challenge, expiresAt);
  refuseUntrusted(key.state);

  const token = `edge.${box.campus}.${randomBytes(32).toString('base64url')}`;
  await pool.query('DELETE FROM sync.session WHERE expires_at < now()');
  await pool.query(
    'INSERT INTO sync.session (token_sha256, fingerprint, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))',
    [sha256(token), box.fingerprint, sessionSeconds],
  );
  return { token, expiresInMs: sessionSeconds * 1_000 };
}

/** @returns the campus that the request belongs to. @throws RelayError UNAUTHENTICATED, BOX_REVOKED */
export async function authenticate(pool: Pool, authorization: string | undefined): Promise<string> {
  const token = authorization?.startsWith('Bearer ') ? authorization.slice('Bearer '.length) : '';
  const claimed = tokenPattern.exec(token)?.[1];
  if (!claimed) throw new RelayError('UNAUTHENTICATED', 'The request carries no token of a session.');
  const { rows } = await pool.query<{ campus: string; state: string }>(
    `SELECT k.campus, k.state FROM sync.session s JOIN sync.box_key k USING (fingerprint)
     WHERE s.token_sha256 = $1 AND s.expires_at > now()`,
    [sha256(token)],
  );
  const session = rows[0];
  if (session?.campus !== claimed)
    throw new RelayError('UNAUTHENTICATED', 'The session has ended, or never was.');
  refuseUntrusted(session.state);
  return session.campus;
}

/** The campus that the token names, for the log alone: nothing is proven by it. */
export function claimedCampus(authorization: string | undefined): string | null {
  return tokenPattern.exec(authorization?.slice('Bearer '.length) ?? '')?.[1] ?? null;
}

function refuseUntrusted(state: string): void {
  if (state === 'trusted') return;
  if (state === 'pending')
    throw new RelayError('BOX_PENDING', 'This box waits for an administrator to confirm it.');
  const why = state === 'replaced' ? 'Another box has taken the place of this one.' : 'This box was revoked.';
  throw new RelayError('BOX_REVOKED', why);
}

/** @returns when it expires, in seconds since 1970. */
async function readChallenge(pool: Pool, challenge: string, box: Box): Promise<number> {
  const { secret, now } = await readSecret(pool);
  const [, expiresAt, random, given] = challengePattern.exec(challenge) ?? [];
  const expected = seal(secret, `${expiresAt}.${random}`, box);
  if (!given || !timingSafeEqual(Buffer.from(given), Buffer.from(expected)))
    throw new RelayError('PROOF_INVALID', 'This challenge was not made for this box.');
  if (Number(expiresAt) <= now) throw new RelayError('PROOF_INVALID', 'The challenge has expired.');
  return Number(expiresAt);
}

async function useChallenge(pool: Pool, challenge: string, expiresAt: number): Promise<void> {
  await pool.query('DELETE FROM sync.used_challenge WHERE expires_at < now()');
  const { rowCount } = await pool.query(
    'INSERT INTO sync.used_challenge (challenge, expires_at) VALUES ($1, to_timestamp($2)) ON CONFLICT DO NOTHING',
    [challenge, expiresAt],
  );
  if (rowCount === 0) throw new RelayError('PROOF_INVALID', 'The challenge was used already.');
}

/** With the database's time: the clocks of the relays may differ. */
async function readSecret(pool: Pool): Promise<{ secret: string; now: number }> {
  const { rows } = await pool.query<{ secret: string; now: string }>(
    'SELECT secret, floor(extract(epoch FROM now()))::bigint AS now FROM sync.challenge_secret',
  );
  if (!rows[0]) throw new Error('sync.challenge_secret is empty');
  return { secret: rows[0].secret, now: Number(rows[0].now) };
}

function seal(secret: string, body: string, { campus, fingerprint }: Box): string {
  return createHmac('sha256', secret).update(`${body}\n${campus}\n${fingerprint}`).digest('base64url');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
