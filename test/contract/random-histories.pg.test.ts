import { expect, test } from 'vitest';
import { seededRandom } from '../lab/seeded-random.ts';
import { startChain } from '../support/chain.ts';

/** Histories in which entries of the feed waited for one another in a circle; HISTORY_SEED tries another one. */
const seeds = process.env.HISTORY_SEED ? [Number(process.env.HISTORY_SEED)] : [5, 8];
const rounds = 8;

const options = {
  schema: `
    CREATE TABLE house (id int PRIMARY KEY, campus text NOT NULL, name text UNIQUE, size int CHECK (size < 90));
    CREATE TABLE room (id int PRIMARY KEY, campus text NOT NULL, house_id int NOT NULL REFERENCES house, a int, b int, c int);`,
  seed: `
    INSERT INTO house SELECT n, 'mvan', 'h' || n, n FROM generate_series(1, 6) n;
    INSERT INTO room SELECT n, 'mvan', 1 + n % 6, n, n, n FROM generate_series(1, 8) n;`,
  syncMap: {
    version: 1,
    database: 'houses',
    tables: {
      'public.house': { scope: 'campus', policy: 'newest', columns: { size: 'inbox' } },
      'public.room': { scope: 'campus', policy: 'newest', columns: { a: 'cloud', b: 'campus' } },
    },
  },
  campus: 'mvan',
};

/** One statement, often contested: few rows, few values, both sides alike. */
function statement(pick: (n: number) => number): string {
  const room = 1 + pick(10);
  const house = 1 + pick(8);
  const column = 'abc'[pick(3)];
  switch (pick(8)) {
    case 0:
      return `INSERT INTO house VALUES (${house}, 'mvan', 'h${pick(9)}', ${pick(100)}) ON CONFLICT DO NOTHING`;
    case 1:
      return `INSERT INTO room VALUES (${room}, 'mvan', ${house}, ${pick(4)}, ${pick(4)}, ${pick(4)}) ON CONFLICT DO NOTHING`;
    case 2:
      return `DELETE FROM room WHERE id = ${room}`;
    case 3:
      return `DELETE FROM house WHERE id = ${house}`;
    case 4:
      return `UPDATE house SET name = 'h${pick(9)}', size = ${pick(100)} WHERE id = ${house}`;
    default:
      return `UPDATE room SET ${column} = ${pick(4)}, house_id = ${house} WHERE id = ${room}`;
  }
}

test.each(seeds)(
  'two sides that write at random, together and apart, come to rest equal (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const pick = (n: number) => Math.floor(random() * n);
    await using chain = await startChain(options);
    await chain.connect();
    await chain.settled();
    const rows = async (side: 'cloud' | 'campus') => {
      const tables = ['house', 'room', 'sync.conflict'];
      return Promise.all(
        tables.map(
          async (table) => (await chain[side].query(`SELECT t::text FROM ${table} t ORDER BY 1`)).rows,
        ),
      );
    };
    for (let round = 0; round < rounds; round++) {
      const apart = pick(2) === 0;
      if (apart) await chain.disconnect();
      for (let step = pick(30); step > 0; step--) {
        const side = pick(2) === 0 ? 'cloud' : 'campus';
        const batch = Array.from({ length: 1 + pick(3) }, () => statement(pick)).join('; ');
        // A statement that the database's own rules refuse is no history.
        await chain[side].query(batch).catch(() => {});
      }
      if (apart) await chain.connect();
      await chain.settled();
      expect(await rows('campus'), `seed ${seed}, round ${round}`).toEqual(await rows('cloud'));
    }
  },
);
