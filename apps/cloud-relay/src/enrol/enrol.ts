/**
 * Which campuses there are, and how a box proves that it belongs to one: a bearer token, of which the database holds only
 * the hash. Enrolling tells the feed writer in WAL order (a transactional logical message), so that every commit
 * after it is in the campus's feed and none before it is.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { enrolledMessage } from '@skooly-edge/sync-protocol';
import type { ClientBase, Pool } from 'pg';
import { RelayError } from '../errors.ts';

const campusPattern = /^(?!cloud$)[a-z][a-z0-9-]{1,31}$/;
const tokenPattern = /^edge\.([a-z][a-z0-9-]{1,31})\.[A-Za-z0-9_-]{43}$/;

/** Registers the campus, or gives it a new token if it is known. @returns the token; it is not kept anywhere. */
export async function enrol(client: ClientBase, campus: string): Promise<string> {
  if (!campusPattern.test(campus)) {
    throw new RelayError(
      'REQUEST_INVALID',
      `${JSON.stringify(campus)} is no campus id: use 2 to 32 of lower case, digits and hyphens, a letter first.`,
    );
  }
  const token = `edge.${campus}.${randomBytes(32).toString('base64url')}`;
  await client.query('BEGIN');
  await client.query(
    `INSERT INTO sync.campus (campus, token_sha256) VALUES ($1, $2)
     ON CONFLICT (campus) DO UPDATE SET token_sha256 = excluded.token_sha256, revoked_at = NULL`,
    [campus, sha256(token)],
  );
  await client.query('SELECT pg_logical_emit_message(true, $1, $2)', [
    enrolledMessage,
    JSON.stringify({ campus }),
  ]);
  await client.query('COMMIT');
  return token;
}

/** @returns the campus that the request belongs to. @throws RelayError UNAUTHENTICATED */
export async function authenticate(pool: Pool, authorization: string | undefined): Promise<string> {
  const token = authorization?.startsWith('Bearer ') ? authorization.slice('Bearer '.length) : '';
  const campus = tokenPattern.exec(token)?.[1];
  if (!campus) throw new RelayError('UNAUTHENTICATED', 'The request carries no token of a campus.');
  const { rows } = await pool.query<{ hash: string }>(
    `SELECT encode(token_sha256, 'hex') AS hash FROM sync.campus WHERE campus = $1 AND revoked_at IS NULL`,
    [campus],
  );
  const expected = rows[0] ? Buffer.from(rows[0].hash, 'hex') : Buffer.alloc(32);
  if (!timingSafeEqual(expected, sha256(token))) {
    throw new RelayError('UNAUTHENTICATED', 'The token is not valid.');
  }
  return campus;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
