/**
 * How a box comes to be trusted, and how it ceases to be:
 *
 *   pair (a named administrator) → code → askToEnrol (the box, with its key) → confirm (the administrator) → sessions
 *   revoke (a named administrator) → nothing more is taken from the campus's boxes
 *
 * A code can be used once, for 15 minutes, and is guessed at no more than a few times; only its hash is kept. The private
 * key stays on the box. Confirming compares fingerprints, so a stolen code is noticed; it tells the feed writer in WAL order
 * (a transactional logical message), so that every commit after it is in the campus's feed. One box of a campus is trusted at a
 * time: confirming another one ends the trust in the first. All times are the database's.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import {
  enrolledMessage,
  enrolText,
  fingerprintOf,
  pairingCode,
  readPairingCode,
  readPublicKeyText,
  signatureFits,
} from '@skooly-edge/sync-protocol';
import type { ClientBase } from 'pg';
import { RelayError } from '../errors.ts';
import { inTransaction, writeTrust } from './trust-log.ts';

export const pairingMinutes = 15;
/** After so many wrong guesses the code is worth nothing. */
export const maxPairingAttempts = 5;

/** NOTIFY channel of the trust in campuses; the payload is the campus. */
export const trustChannel = 'skooly_edge_trust';

const campusPattern = /^(?!cloud$)[a-z][a-z0-9-]{1,31}$/;

export interface PairRequest {
  campus: string;
  /** The administrator. */
  by: string;
  /** Trust whoever brings the code, for set-ups without a person. It is recorded. */
  confirmAutomatically?: boolean;
}

/** Makes the code of a campus; an earlier one is worth nothing from then on. @returns the code, which is not kept anywhere. */
export async function pair(client: ClientBase, request: PairRequest): Promise<string> {
  const { campus, confirmAutomatically = false } = request;
  const by = administrator(request.by);
  if (!campusPattern.test(campus)) {
    throw new RelayError(
      'REQUEST_INVALID',
      `${JSON.stringify(campus)} is no campus id: use 2 to 32 of lower case, digits and hyphens, a letter first.`,
    );
  }
  const code = pairingCode(randomBytes);
  const salt = randomBytes(16).toString('hex');
  const hash = await hashCode(readPairingCode(code) as string, salt);
  await inTransaction(client, async () => {
    await client.query(
      `INSERT INTO sync.pairing
         (campus, code_hash, salt, made_by, confirm_automatically, expires_at, attempts_left)
       VALUES ($1, $2, $3, $4, $5, now() + make_interval(mins => $6), $7)
       ON CONFLICT (campus) DO UPDATE SET code_hash = excluded.code_hash, salt = excluded.salt,
         made_by = excluded.made_by, confirm_automatically = excluded.confirm_automatically,
         expires_at = excluded.expires_at, attempts_left = excluded.attempts_left`,
      [campus, hash.toString('hex'), salt, by, confirmAutomatically, pairingMinutes, maxPairingAttempts],
    );
    const detail = confirmAutomatically ? 'confirms the box automatically' : undefined;
    await writeTrust(client, { campus, event: 'pairing code made', by, ...(detail && { detail }) });
  });
  return code;
}

export interface EnrolRequest {
  campus: string;
  code: string;
  publicKey: string;
  signature: string;
}

export type BoxState = 'pending' | 'trusted';

/**
 * A box asks with its key. May be called again with the same key, as when the answer was lost: it gets the same answer.
 *
 * @throws RelayError PAIRING_REFUSED, which does not tell a wrong code from one that is not there; PROOF_INVALID
 */
export async function askToEnrol(
  client: ClientBase,
  request: EnrolRequest,
): Promise<{ fingerprint: string; state: BoxState }> {
  const { campus } = request;
  const code = readPairingCode(request.code);
  if (code === null) throw refusedPairing();
  const fingerprint = provenFingerprint(request, code);
  const known = await client.query<{ campus: string; state: string }>(
    'SELECT campus, state FROM sync.box_key WHERE fingerprint = $1',
    [fingerprint],
  );
  const state = known.rows[0]?.state;
  if (known.rows[0]?.campus === campus && (state === 'pending' || state === 'trusted'))
    return { fingerprint, state };
  if (state !== undefined) throw refusedPairing();

  const salt = await takeAttempt(client, campus);
  const hash = salt === null ? null : (await hashCode(code, salt)).toString('hex');
  const accepted = hash !== null && (await useCode(client, request, hash, fingerprint));
  if (accepted) return { fingerprint, state: accepted };
  if (salt !== null)
    await writeTrust(client, { campus, event: 'pairing code refused', by: 'a box', fingerprint });
  throw refusedPairing();
}

function provenFingerprint({ campus, publicKey, signature }: EnrolRequest, code: string): string {
  try {
    const key = readPublicKeyText(publicKey);
    const fingerprint = fingerprintOf(key);
    if (signatureFits(enrolText(campus, code, fingerprint), signature, key)) return fingerprint;
  } catch {
    // Falls through to the refusal.
  }
  throw new RelayError('PROOF_INVALID', 'The box does not prove that it holds the key.');
}

/** Counted before the guess is judged, so that guesses at the same moment count too. @returns the salt, if there is a code. */
async function takeAttempt(client: ClientBase, campus: string): Promise<string | null> {
  const { rows } = await client.query<{ salt: string }>(
    `UPDATE sync.pairing SET attempts_left = attempts_left - 1
     WHERE campus = $1 AND attempts_left > 0 AND expires_at > now() RETURNING salt`,
    [campus],
  );
  return rows[0]?.salt ?? null;
}

/** @returns null when it is another code, or was used at the same moment by somebody else. */
async function useCode(
  client: ClientBase,
  { campus, publicKey }: EnrolRequest,
  hash: string,
  fingerprint: string,
): Promise<BoxState | null> {
  return await inTransaction(client, async () => {
    const { rows } = await client.query<{ code_hash: string; made_by: string; automatic: string }>(
      `SELECT code_hash, made_by, confirm_automatically::text AS automatic FROM sync.pairing
       WHERE campus = $1 AND expires_at > now() FOR UPDATE`,
      [campus],
    );
    const pairing = rows[0];
    if (!pairing || !timingSafeEqual(Buffer.from(pairing.code_hash, 'hex'), Buffer.from(hash, 'hex')))
      return null;
    await client.query('DELETE FROM sync.pairing WHERE campus = $1', [campus]);
    await client.query(`UPDATE sync.box_key SET state = 'replaced' WHERE campus = $1 AND state = 'pending'`, [
      campus,
    ]);
    await client.query(
      `INSERT INTO sync.box_key (fingerprint, campus, public_key, state) VALUES ($1, $2, $3, 'pending')`,
      [fingerprint, campus, publicKey],
    );
    await writeTrust(client, { campus, event: 'box asked', by: 'a box', fingerprint });
    if (pairing.automatic !== 'true') return 'pending';
    await trust(client, campus, fingerprint);
    const by = pairing.made_by;
    await writeTrust(client, { campus, event: 'box confirmed automatically', by, fingerprint });
    return 'trusted';
  });
}

/** @returns the fingerprint of the box that waits to be confirmed. @throws RelayError BOX_UNKNOWN */
export async function waitingBox(client: ClientBase, campus: string): Promise<string> {
  const { rows } = await client.query<{ fingerprint: string }>(
    `SELECT fingerprint FROM sync.box_key WHERE campus = $1 AND state = 'pending' FOR UPDATE`,
    [campus],
  );
  if (rows[0]) return rows[0].fingerprint;
  throw new RelayError('BOX_UNKNOWN', `No box of ${campus} waits to be confirmed.`);
}

/** Trusts the waiting box. @throws RelayError BOX_UNKNOWN when it is another one than the administrator was told. */
export async function confirm(
  client: ClientBase,
  request: { campus: string; by: string; fingerprint: string },
): Promise<void> {
  const { campus } = request;
  const by = administrator(request.by);
  await inTransaction(client, async () => {
    const fingerprint = await waitingBox(client, campus);
    if (fingerprint !== request.fingerprint.trim().toUpperCase()) {
      throw new RelayError(
        'BOX_UNKNOWN',
        `The box that waits has the fingerprint ${fingerprint}: if the box shows another one, somebody else has used the code.`,
      );
    }
    await trust(client, campus, fingerprint);
    await writeTrust(client, { campus, event: 'box confirmed', by, fingerprint });
  });
}

async function trust(client: ClientBase, campus: string, fingerprint: string): Promise<void> {
  const replaced = await client.query<{ fingerprint: string }>(
    `UPDATE sync.box_key SET state = 'replaced' WHERE campus = $1 AND state = 'trusted' RETURNING fingerprint`,
    [campus],
  );
  for (const row of replaced.rows) {
    const by = `the box ${fingerprint}`;
    await writeTrust(client, { campus, event: 'box replaced', by, fingerprint: row.fingerprint });
  }
  await client.query(`UPDATE sync.box_key SET state = 'trusted' WHERE fingerprint = $1`, [fingerprint]);
  await client.query(
    `INSERT INTO sync.campus (campus) VALUES ($1) ON CONFLICT (campus) DO UPDATE SET revoked_at = NULL`,
    [campus],
  );
  await client.query('SELECT pg_logical_emit_message(true, $1, $2)', [
    enrolledMessage,
    JSON.stringify({ campus }),
  ]);
  await client.query('SELECT pg_notify($1, $2)', [trustChannel, campus]);
}

/** Ends the trust in every box of the campus, its sessions, and its pairing code, at once. May be called twice. @throws RelayError BOX_UNKNOWN */
export async function revoke(
  client: ClientBase,
  request: { campus: string; by: string; reason: string },
): Promise<void> {
  const { campus, reason } = request;
  const by = administrator(request.by);
  await inTransaction(client, async () => {
    const keys = await client.query(
      `UPDATE sync.box_key SET state = 'revoked' WHERE campus = $1 AND state <> 'revoked'`,
      [campus],
    );
    await client.query('UPDATE sync.campus SET revoked_at = coalesce(revoked_at, now()) WHERE campus = $1', [
      campus,
    ]);
    const codes = await client.query('DELETE FROM sync.pairing WHERE campus = $1', [campus]);
    if (!keys.rowCount && !codes.rowCount) {
      const known = await client.query('SELECT FROM sync.box_key WHERE campus = $1 LIMIT 1', [campus]);
      if (known.rowCount) return;
      throw new RelayError('BOX_UNKNOWN', `No box of ${campus} was ever enrolled.`);
    }
    await writeTrust(client, { campus, event: 'campus revoked', by, detail: reason });
    await client.query('SELECT pg_notify($1, $2)', [trustChannel, campus]);
  });
}

function administrator(name: string): string {
  const trimmed = name.trim();
  if (trimmed.length >= 2 && trimmed.length <= 100) return trimmed;
  throw new RelayError('REQUEST_INVALID', 'Say with --by who you are: it is recorded.');
}

function refusedPairing(): RelayError {
  return new RelayError('PAIRING_REFUSED', 'There is no such pairing code for this campus, or not any more.');
}

const scryptBytes = promisify(scrypt) as (text: string, salt: string, length: number) => Promise<Buffer>;

function hashCode(code: string, salt: string): Promise<Buffer> {
  return scryptBytes(code, salt, 32);
}
