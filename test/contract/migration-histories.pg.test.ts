import { generateKeyPairSync } from 'node:crypto';
import { applyMigration, parseSyncMap, readMigration, signMigration } from '@skooly-edge/sync-protocol';
import { expect, test } from 'vitest';
import { seededRandom } from '../lab/seeded-random.ts';
import { type ChainOptions, startChain, until } from '../support/chain.ts';

/** HISTORY_SEED tries another one. */
const seeds = process.env.HISTORY_SEED ? [Number(process.env.HISTORY_SEED)] : [1, 2];
const rounds = 9;

const release = generateKeyPairSync('ed25519');
const mapFile = {
  version: 1,
  database: 'houses',
  tables: { 'public.room': { scope: 'campus', policy: 'newest', columns: { a: 'cloud', b: 'campus' } } },
};
const mapWithDesks = JSON.stringify({
  ...mapFile,
  tables: { ...mapFile.tables, 'public.desk': { scope: 'campus', policy: 'newest' } },
});
const migrations = [
  readMigration('001-x.sql', 'ALTER TABLE room ADD COLUMN x int NOT NULL DEFAULT 0', null),
  readMigration(
    '002-desk.sql',
    'CREATE TABLE desk (id int PRIMARY KEY, campus text NOT NULL, room_id int REFERENCES room, w int)',
    mapWithDesks,
  ),
  readMigration('003-y.sql', 'ALTER TABLE desk ADD COLUMN y int; ALTER TABLE room ADD COLUMN z int', null),
].map((migration) => signMigration(migration, release.privateKey));

/** One statement; a side that has no place for it refuses it. */
function statement(pick: (n: number) => number): string {
  const room = 1 + pick(8);
  const desk = 1 + pick(8);
  switch (pick(10)) {
    case 0:
      return `INSERT INTO room (id, campus, a, b) VALUES (${room}, 'mvan', ${pick(3)}, ${pick(3)}) ON CONFLICT DO NOTHING`;
    case 1:
      return `INSERT INTO room (id, campus, a, x) VALUES (${room}, 'mvan', ${pick(3)}, ${pick(3)}) ON CONFLICT DO NOTHING`;
    case 2:
      return `DELETE FROM room WHERE id = ${room}`;
    case 3:
      return `INSERT INTO desk (id, campus, room_id, w) VALUES (${desk}, 'mvan', ${room}, ${pick(3)}) ON CONFLICT DO NOTHING`;
    case 4:
      return `UPDATE desk SET ${['w', 'y'][pick(2)]} = ${pick(3)} WHERE id = ${desk}`;
    case 5:
      return `DELETE FROM desk WHERE id = ${desk}`;
    default:
      return `UPDATE room SET ${['a', 'b', 'x', 'x', 'z'][pick(5)]} = ${pick(3)} WHERE id = ${room}`;
  }
}

test.each(seeds)(
  'two sides that write at random while the cloud migrates, and the box later, come to rest equal (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const pick = (n: number) => Math.floor(random() * n);
    const options: ChainOptions = {
      schema: 'CREATE TABLE room (id int PRIMARY KEY, campus text NOT NULL, a int, b int);',
      seed: `INSERT INTO room SELECT n, 'mvan', n, n FROM generate_series(1, 6) n;`,
      syncMap: mapFile,
      campus: 'mvan',
    };
    await using chain = await startChain(options);
    await chain.connect();
    await chain.settled();
    const pending = [...migrations];
    const boxFollowsFrom = 2 + pick(rounds - 3);
    for (let round = 0; round < rounds; round++) {
      const apart = round === boxFollowsFrom || pick(2) === 0;
      if (apart) await chain.disconnect();
      if (round === boxFollowsFrom) {
        options.releaseKey = release.publicKey;
        // By hand, so that the campus writes into the new columns before what was kept for them is followed.
        const published = migrations.slice(0, migrations.length - pending.length);
        for (const one of published) await applyMigration(chain.campusUrl, one, parseSyncMap(mapFile));
      }
      for (let step = 10 + pick(30); step > 0; step--) {
        const side = pick(2) === 0 ? 'cloud' : 'campus';
        await chain[side].query(statement(pick)).catch(() => {});
        const next = step === 10 && (pick(2) === 0 || round >= rounds - 3) ? pending.shift() : undefined;
        if (next) await applyMigration(chain.cloudUrl, next, parseSyncMap(mapFile));
      }
      if (apart) await chain.connect();
      await chain.settled();
    }
    await until(async () => (await chain.sync.status()).schema.number === migrations.length);
    await until(async () => (await chain.sync.status()).schema.kept === 0);
    const unknown = `SELECT FROM sync.parked WHERE kind = 'column_unknown'`;
    await until(async () => (await chain.cloud.query(unknown)).rowCount === 0);
    await chain.settled();
    for (const table of ['room', 'desk', 'sync.conflict']) {
      const sql = `SELECT to_jsonb(t)::text AS row FROM ${table} t ORDER BY 1`;
      const [campus, cloud] = [await chain.campus.query(sql), await chain.cloud.query(sql)];
      expect(campus.rows, `seed ${seed}, ${table}`).toEqual(cloud.rows);
    }
  },
);
