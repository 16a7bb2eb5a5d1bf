import { expect, test } from 'vitest';
import { startChain } from '../support/chain.ts';

const options = {
  schema: 'CREATE TABLE book (id int PRIMARY KEY, campus text NOT NULL, title text);',
  seed: `INSERT INTO book VALUES (1, 'mvan', 'one'), (2, 'other', 'two');`,
  syncMap: {
    version: 1,
    database: 'books',
    tables: { 'public.book': { scope: 'campus', policy: 'newest' } },
  },
  campus: 'mvan',
  throughElectric: true,
};

test('the same campus reads its feed through an Electric, and goes on where it was after a pause', async () => {
  await using chain = await startChain(options);
  const titles = async (side: 'cloud' | 'campus') =>
    (await chain[side].query(`SELECT id, title FROM book WHERE campus = 'mvan' ORDER BY id`)).rows;
  await chain.connect();
  await chain.settled();
  await chain.cloud.query(`UPDATE book SET title = 'uno'; INSERT INTO book VALUES (3, 'mvan', 'tres')`);
  await chain.settled();
  expect(await titles('campus')).toEqual(await titles('cloud'));

  await chain.disconnect();
  await chain.cloud.query(`DELETE FROM book WHERE id = 1`);
  await chain.campus.query(`INSERT INTO book VALUES (4, 'mvan', 'cuatro')`);
  await chain.connect();
  await chain.settled();
  expect(await titles('campus')).toEqual([
    { id: '3', title: 'tres' },
    { id: '4', title: 'cuatro' },
  ]);
  expect(await titles('cloud')).toEqual(await titles('campus'));
});

test('the relay writes table and filter itself and hands on only what the protocol knows', async () => {
  await using chain = await startChain(options);
  await chain.connect();
  await chain.settled();
  for (const query of chain.electric?.asked ?? []) {
    expect(query).toMatchObject({ table: 'sync.feed', where: 'campus = $1', 'params[1]': 'mvan' });
    expect(Object.keys(query)).not.toContain('authorization');
  }
  expect(chain.electric?.asked[0]).toMatchObject({ offset: '-1' });
});
