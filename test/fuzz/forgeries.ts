/**
 * Transactions that are right in form, and that campus mvan may not make: others' rows, tables and columns that are not its to
 * write, keys that name another row than they seem to. `relay-under-fuzz.ts` says what is there.
 */
import { oneOf, pick, type Random } from './mutate.ts';

const house = 'public.house';
const mine = '45';
const theirs = '60';
const row = (id: string, more: object = {}) => ({ id, campus: 'mvan', name: 'forged', fee: null, ...more });

const insert = (table: string, key: object, after: object) => ({
  table,
  key,
  op: 'insert',
  before: null,
  after,
});
const update = (table: string, key: object, before: object, after: object) => ({
  table,
  key,
  op: 'update',
  before,
  after,
});
const remove = (table: string, key: object, before: object) => ({
  table,
  key,
  op: 'delete',
  before,
  after: null,
});

/** By what they try. */
export const forgeries: Record<string, readonly object[]> = {
  'update another’s row': [update(house, { id: theirs }, { name: 'h60' }, { name: 'forged' })],
  'update it under a false owner': [
    update(house, { id: theirs }, { campus: 'mvan', name: 'h60' }, { campus: 'mvan', name: 'forged' }),
  ],
  'delete another’s row': [remove(house, { id: theirs }, row(theirs, { name: 'h60' }))],
  'insert where another’s row is': [insert(house, { id: theirs }, row(theirs))],
  'insert a row for another': [insert(house, { id: '700' }, row('700', { campus: 'bonaberi' }))],
  'give a row away': [update(house, { id: mine }, { campus: 'mvan' }, { campus: 'bonaberi' })],
  'update one row under the key of another': [
    update(house, { id: mine }, { name: 'h45' }, { id: theirs, name: 'x' }),
  ],
  'insert one row under the key of another': [insert(house, { id: '701' }, row(theirs))],
  'insert under the key of another, that is free': [insert(house, { id: '702' }, row('703'))],
  'swap a row in and out': [remove(house, { id: mine }, row(mine)), insert(house, { id: mine }, row(theirs))],
  'write a key as Postgres does not': [
    update(house, { id: '060' }, { name: 'h60' }, { name: 'forged' }),
    remove(house, { id: ' 60' }, row(' 60')),
  ],
  'insert under such a key': [insert(house, { id: '060' }, row('060'))],
  'insert the same row under two spellings': [
    insert(house, { id: '704' }, row('704')),
    insert(house, { id: '0704' }, row('0704')),
  ],
  'swap the columns of a key': [
    update('public.seat', { place: '1', bench: '2' }, { name: 'a' }, { name: 'forged' }),
    insert('public.seat', { place: '1', bench: '2' }, { place: '1', bench: '2', campus: 'mvan', name: 'x' }),
  ],
  'update a column that is read only': [update(house, { id: mine }, { fee: '100' }, { fee: '1' })],
  'insert over a column that is read only': [insert(house, { id: mine }, row(mine, { fee: '1' }))],
  'write a table that only comes down': [
    update('public.constant', { name: 'pi' }, { value: '3' }, { value: '4' }),
  ],
  'write a table that is not synced': [
    update('public.secret', { id: '1' }, { word: 'x' }, { word: 'forged' }),
  ],
  'write the engine’s own tables': [
    update('sync.site', { site: 'cloud' }, { epoch: 'x' }, { epoch: 'forged' }),
  ],
  'write the catalogue': [
    update('pg_catalog.pg_authid', { oid: '10' }, { rolsuper: 'f' }, { rolsuper: 't' }),
  ],
  'decide another’s conflict': [
    insert(
      'sync.conflict',
      { id: '0198bbfa-4d80-7593-8987-1744a7d36247' },
      { id: '0198bbfa-4d80-7593-8987-1744a7d36247', campus: 'bonaberi', kind: 'forbidden' },
    ),
  ],
  'speak SQL in a column': [
    update(house, { id: mine }, { 'name" = \'x\', "name': 'a' }, { "name\" = 'x' WHERE true --": 'forged' }),
  ],
  'speak SQL in a table': [
    update("public.house\" SET name = 'x' --", { id: mine }, { name: 'a' }, { name: 'b' }),
  ],
  'speak SQL in a key': [update(house, { id: '0 OR true' }, { name: 'a' }, { name: 'forged' })],
  'a NUL in the key': [update(house, { id: '6\u00000' }, { name: 'a' }, { name: 'forged' })],
  'a NUL in a value': [update(house, { id: mine }, { name: 'h45' }, { name: 'a\u0000b' })],
  'half a letter': [update(house, { id: mine }, { name: 'h45' }, { name: '\ud800' })],
  'a key that lacks': [update('public.seat', { bench: '1' }, { name: 'a' }, { name: 'forged' })],
  'a key that has more': [update(house, { id: mine, campus: 'mvan' }, { name: 'a' }, { name: 'forged' })],
  'a key of the prototype': [
    update(house, JSON.parse('{"__proto__":"1"}'), { name: 'a' }, { name: 'forged' }),
  ],
  'a column of the prototype': [
    update(house, { id: mine }, JSON.parse('{"__proto__":"1"}'), { constructor: 'x' }),
  ],
};

/** The body of a push, one or two of them; its log is new, so that none is taken for one that is applied already. */
export function forgedLines(random: Random, epoch: string): object[] {
  const all = Object.values(forgeries);
  const transactions = Array.from({ length: 1 + pick(random, 2) }, () => oneOf(random, all));
  return [
    { v: 1, epoch, ...(pick(random, 4) === 0 && { adopted: true }) },
    ...transactions.map((changes, index) => ({
      seq: index + 1,
      committedAt: oneOf(random, [0, 1, Date.UTC(2026, 0) * 1_000, Number.MAX_SAFE_INTEGER]),
      ...(pick(random, 8) === 0 && { truncated: [house] }),
      ...(pick(random, 8) === 0 && { more: true }),
      changes,
    })),
  ];
}
