import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { conflictTable, parseSyncMap, policyFor, readSyncMap } from './sync-map.ts';

const pupil = { scope: 'campus_id', policy: 'newest' };
const map = (entry: object = pupil, name = 'public.pupil') => ({
  version: 1,
  database: 'skooly',
  tables: { [name]: entry },
});

describe('a sync map', () => {
  it('is accepted as Skooly has it', () => {
    const path = fileURLToPath(new URL('../../../../apps/skooly/sync-map.json', import.meta.url));
    const { database, tables } = readSyncMap(path);
    expect(database).toBe('skooly');
    expect(tables.has('public.pupil')).toBe(true);
  });

  it('fills in the defaults', () => {
    expect(parseSyncMap(map()).tables.get('public.pupil')).toEqual({
      table: 'public.pupil',
      scope: 'campus_id',
      through: null,
      direction: 'both',
      policy: 'newest',
      columns: {},
      appendOnly: false,
      readOnlyColumns: [],
      unique: {},
      by: null,
    });
  });

  it('always holds the table of conflicts', () => {
    expect(parseSyncMap(map()).tables.get(conflictTable)).toMatchObject({
      scope: 'campus',
      policy: 'newest',
    });
  });

  it('settles a column by its own policy, every other one by that of the table', () => {
    const rule = parseSyncMap(map({ ...pupil, columns: { fee: 'inbox' } })).tables.get('public.pupil');
    if (!rule) throw new Error('the table is missing');
    expect([policyFor(rule, 'fee'), policyFor(rule, 'name')]).toEqual(['inbox', 'newest']);
  });
});

describe('a table of the sync map', () => {
  it('can belong to the campus of the row that a foreign key points to', () => {
    const rule = parseSyncMap(map({ ...pupil, scope: { through: 'class_id' } })).tables.get('public.pupil');
    expect(rule).toMatchObject({ scope: null, through: 'class_id' });
  });

  it('can have its unique clashes settled by a suffix', () => {
    const unique = { pupil_name_key: { suffix: 'name' } };
    expect(parseSyncMap(map({ ...pupil, unique })).tables.get('public.pupil')?.unique).toEqual(unique);
  });

  it('can compute a column of both sides’ values, but no row', () => {
    const columns = { fee: 'sum', seen: 'max', since: 'min', tags: 'union' };
    expect(parseSyncMap(map({ ...pupil, columns })).tables.get('public.pupil')?.columns).toEqual(columns);
    expect(() => parseSyncMap(map({ ...pupil, policy: 'sum' }))).toThrow(
      /policy must be one of newest, cloud/,
    );
  });
});

describe('a sync map is refused by the name of the field when', () => {
  it.each([
    ['the version is another', { ...map(), version: 2 }, 'version'],
    ['there is no database', { version: 1, tables: {} }, 'database'],
    ['the database has no name', { ...map(), database: '' }, 'database'],
    ['there are no tables', { version: 1, database: 'skooly' }, 'tables'],
    ['a table has no scope', map({ policy: 'cloud' }), 'scope'],
    ['a scope is a number', map({ ...pupil, scope: 7 }), 'tables.public.pupil.scope'],
    ['a table has no policy', map({ scope: null }), 'policy'],
    ['a policy is unknown', map({ ...pupil, policy: 'oldest' }), 'tables.public.pupil.policy'],
    ['a direction is unknown', map({ ...pupil, direction: 'up' }), 'tables.public.pupil.direction'],
    ['a column has an unknown policy', map({ ...pupil, columns: { fee: 'x' } }), 'columns.fee'],
    ['appendOnly is text', map({ ...pupil, appendOnly: 'yes' }), 'appendOnly'],
    ['readOnlyColumns is text', map({ ...pupil, readOnlyColumns: 'fee' }), 'readOnlyColumns'],
    ['a unique key is settled otherwise', map({ ...pupil, unique: { k: 'newest' } }), 'unique.k'],
    ['by is a number', map({ ...pupil, by: 1 }), 'tables.public.pupil.by'],
    ['a table has no schema', map(pupil, 'pupil'), 'tables.pupil'],
    ['a table belongs to the engine', map(pupil, 'sync.feed'), 'tables.sync.feed'],
    ['a field of a table is unknown', map({ ...pupil, polcy: 'cloud' }), 'polcy'],
    ['a field of the file is unknown', { ...map(), extra: 1 }, 'extra'],
  ])('%s', (_case, json, field) => {
    expect(() => parseSyncMap(json)).toThrow(
      expect.objectContaining({ code: 'SYNC_MAP_INVALID', message: expect.stringContaining(field) }),
    );
  });

  it('the file is missing', () => {
    expect(() => readSyncMap('/nowhere/map.json')).toThrow(
      expect.objectContaining({
        code: 'SYNC_MAP_INVALID',
        message: expect.stringContaining('/nowhere/map.json'),
      }),
    );
  });
});
