import { readFileSync } from 'node:fs';
import { conflictKinds } from '@skooly-edge/sync-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Chain, startChain, until } from '../support/chain.ts';
import { cases, readEntry, schema, seed, syncMap } from '../support/conflict-kinds.ts';

let chain: Chain;
const rows = async (side: 'cloud' | 'campus', sql: string) => (await chain[side].query(sql)).rows;
const entries = (side: 'cloud' | 'campus', kind: string) =>
  rows(side, `SELECT * FROM sync.conflict WHERE kind = '${kind}' ORDER BY id`);

describe('a conflict of the kind', () => {
  beforeAll(async () => {
    chain = await startChain({ schema, seed, syncMap, campus: 'mvan' });
    await chain.connect();
    await chain.settled();
    await chain.disconnect();
    for (const { campus, cloud } of Object.values(cases)) {
      for (const sql of campus) await chain.campus.query(sql);
      for (const sql of cloud) await chain.cloud.query(sql);
    }
    await chain.connect();
    await chain.settled();
  });

  afterAll(async () => {
    await chain?.[Symbol.asyncDispose]();
  });

  test.each(conflictKinds)(
    '%s is settled as PROTOCOL.md says, and both sides hold the same entry',
    async (kind) => {
      const { entry, stands } = cases[kind];
      await until(async () => (await entries('campus', kind)).length === 1);
      const [here] = await entries('campus', kind);
      expect(await entries('cloud', kind)).toEqual([here]);
      expect(readEntry(here)).toMatchObject({ kind, campus: 'mvan', ...entry });
      expect(here.campus_at).toMatch(/^\d{4}-/);
      expect(here.campus_by).not.toBeNull();
      const [sql, row] = stands;
      expect(await rows('cloud', sql)).toEqual(row ? [row] : []);
      expect(await rows('campus', sql)).toEqual(row ? [row] : []);
    },
  );

  test('that is parked keeps the whole transaction, on campus too', async () => {
    const parked = await rows(
      'campus',
      `SELECT kind, parked FROM sync.conflict WHERE parked IS NOT NULL ORDER BY kind`,
    );
    expect(parked.map(({ kind }) => kind)).toEqual([
      'check_violated',
      'column_unknown',
      'delete_referenced',
      'forbidden',
      'out_of_scope',
      'parent_missing',
      'unique_clash',
    ]);
    for (const entry of parked) expect(JSON.parse(entry.parked)[0].table).toMatch(/^public\./);
  });

  test('column_unknown goes through when the cloud learns the column', async () => {
    await chain.cloud.query('ALTER TABLE visit ADD COLUMN mood text');
    await until(async () => (await rows('campus', `SELECT FROM visit WHERE mood = 'merry'`)).length === 1);
    expect(await rows('cloud', 'SELECT mood FROM visit WHERE id = 3')).toEqual([{ mood: 'merry' }]);
  });
});

test('the kinds of PROTOCOL.md are the twelve of the code', () => {
  const manual = readFileSync(new URL('../../packages/sync-protocol/PROTOCOL.md', import.meta.url), 'utf8');
  const conflicts = manual.slice(
    manual.indexOf('### Kinds that are merged'),
    manual.indexOf('## Messages in the WAL'),
  );
  const named = [...conflicts.matchAll(/^\| `([a-z]+_[a-z]+|forbidden|out_of_scope)` +\|/gm)].map(
    (match) => match[1],
  );
  expect(named.sort()).toEqual([...conflictKinds].sort());
});
