/**
 * A backlog as a school makes it during a cut, insert-heavy: calls of the roll, marks, payments with receipts, corrections.
 * One schema for every side that a bench compares, so that all of them carry the same rows.
 */
import type { Client } from 'pg';

export const campus = 'mvan';
const pupils = 1_200;

export const schema = `
  CREATE TABLE pupil (
    id uuid PRIMARY KEY, campus_id text NOT NULL, matricule text NOT NULL, family_name text NOT NULL,
    given_names text NOT NULL, guardian_phone text, updated_by text NOT NULL, UNIQUE (campus_id, matricule));
  CREATE TABLE attendance (
    id uuid PRIMARY KEY, campus_id text NOT NULL, pupil_id uuid NOT NULL REFERENCES pupil, called_at timestamptz NOT NULL,
    status text NOT NULL, taken_by text NOT NULL);
  CREATE TABLE mark (
    id uuid PRIMARY KEY, campus_id text NOT NULL, pupil_id uuid NOT NULL REFERENCES pupil, subject text NOT NULL,
    value numeric(4,2) CHECK (value BETWEEN 0 AND 20), entered_by text NOT NULL);
  CREATE TABLE payment (
    id uuid PRIMARY KEY, campus_id text NOT NULL, pupil_id uuid NOT NULL REFERENCES pupil, amount int NOT NULL,
    method text NOT NULL, paid_at timestamptz NOT NULL, recorded_by text NOT NULL);
  CREATE TABLE receipt (
    id uuid PRIMARY KEY, campus_id text NOT NULL, payment_id uuid NOT NULL REFERENCES payment, number text NOT NULL UNIQUE);
  CREATE TABLE marker (id int PRIMARY KEY, campus_id text NOT NULL);`;

export const tables = ['pupil', 'attendance', 'mark', 'payment', 'receipt', 'marker'] as const;

export const seed = `
  INSERT INTO pupil
  SELECT md5('pupil ' || n)::uuid, '${campus}', 'MV' || n, 'NGONO ' || n, 'Marie ' || n, '2376' || lpad(n::text, 8, '0'), 'directeur'
  FROM generate_series(0, ${pupils - 1}) n;`;

export const syncMap = {
  version: 1,
  database: 'bench',
  tables: Object.fromEntries(
    tables.map((table) => [`public.${table}`, { scope: 'campus_id', policy: 'newest' }]),
  ),
};

/** Which of the writes: two stretches of the same school may not overlap. */
export interface Stretch {
  /** Transactions before it. */
  after: number;
  /** Id of the marker that its last transaction writes. */
  marker: number;
}

const whole: Stretch = { after: 0, marker: 1 };

/** What a school has written, and both sides have, before a backlog begins: code and caches are then as on any other day. */
export const morningChanges = 20_000;
export const morning: Stretch = { after: 0, marker: 0 };
export const afterMorning: Stretch = { after: morningChanges / 2, marker: 1 };

/**
 * SQL that commits `changes / 2` transactions of two changes each: of twenty transactions 7 call the roll, 5 enter marks, 3 take
 * a payment, 4 correct, 1 withdraws; then one more with the end marker. It commits by itself: run it outside a transaction.
 */
function backlog(changes: number, { after, marker }: Stretch): string {
  return `DO $$
  DECLARE who uuid; other uuid; kind int;
  BEGIN
    FOR n IN ${after + 1} .. ${after + Math.floor(changes / 2)} LOOP
      kind := n % 20;
      who := md5('pupil ' || n % ${pupils})::uuid;
      other := md5('pupil ' || (n * 7 + 1) % ${pupils})::uuid;
      IF kind < 7 THEN
        INSERT INTO attendance VALUES
          (md5('a' || n)::uuid, '${campus}', who, clock_timestamp(), 'absent', 'prof' || n % 60),
          (md5('b' || n)::uuid, '${campus}', other, clock_timestamp(), 'late', 'prof' || n % 60);
      ELSIF kind < 12 THEN
        INSERT INTO mark VALUES
          (md5('m' || n)::uuid, '${campus}', who, 'MATH', (n % 81) / 4.0, 'prof' || n % 60),
          (md5('n' || n)::uuid, '${campus}', other, 'PCT', (n % 77) / 4.0, 'prof' || n % 60);
      ELSIF kind < 15 THEN
        INSERT INTO payment VALUES (md5('p' || n)::uuid, '${campus}', who, 7500, 'cash', clock_timestamp(), 'intendant');
        INSERT INTO receipt VALUES (md5('r' || n)::uuid, '${campus}', md5('p' || n)::uuid, 'MVAN-B-' || n);
      ELSIF kind < 19 THEN
        UPDATE pupil SET guardian_phone = '2377' || lpad(n::text, 8, '0') WHERE id = who;
        UPDATE mark SET value = 20 - (n % 81) / 4.0 WHERE id = md5('m' || n - 8)::uuid;
      ELSE
        DELETE FROM attendance WHERE id IN (md5('a' || n - 18)::uuid, md5('b' || n - 18)::uuid);
      END IF;
      COMMIT;
    END LOOP;
    INSERT INTO marker VALUES (${marker}, '${campus}');
    COMMIT;
  END $$;`;
}

/** Commits the backlog without waiting for each commit's fsync, and returns when all of it is on disk. */
export async function commitBacklog(client: Client, changes: number, stretch = whole): Promise<void> {
  await client.query('SET synchronous_commit = off');
  await client.query(backlog(changes, stretch));
  await client.query('SET synchronous_commit = on');
  await client.query(`SELECT pg_logical_emit_message(true, 'bench', 'flush')`);
}

/** A fingerprint of every row: two databases with the same answer hold the same rows. */
export const fingerprint = `SELECT ${tables
  .map(
    (table) =>
      `(SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM ${table} t) AS ${table}`,
  )
  .join(', ')}`;

export async function holdsMarker(client: Client, { marker }: Stretch): Promise<boolean> {
  return (await client.query('SELECT FROM marker WHERE id = $1', [marker])).rowCount === 1;
}
