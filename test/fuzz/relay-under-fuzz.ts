/** A relay with two campuses' rows behind it, of which one asks. */
import { type Chain, startChain, until } from '../support/chain.ts';
import type { RelayUnderFuzz } from './routes.ts';

const schema = `
  CREATE TABLE house (id int PRIMARY KEY, campus text NOT NULL, name text, fee int);
  CREATE TABLE seat (bench int, place int, campus text NOT NULL, name text, PRIMARY KEY (bench, place));
  CREATE TABLE constant (name text PRIMARY KEY, value text);
  CREATE TABLE secret (id int PRIMARY KEY, word text);`;

const seed = `
  INSERT INTO house SELECT n, CASE WHEN n < 50 THEN 'mvan' ELSE 'bonaberi' END, 'h' || n, 100 FROM generate_series(1, 100) n;
  INSERT INTO seat VALUES (1, 2, 'mvan', 'a'), (2, 1, 'bonaberi', 'a');
  INSERT INTO constant VALUES ('pi', '3');
  INSERT INTO secret VALUES (1, 'not synced');`;

const syncMap = {
  version: 1,
  database: 'fuzz',
  tables: {
    'public.house': { scope: 'campus', policy: 'campus', readOnlyColumns: ['fee'] },
    'public.seat': { scope: 'campus', policy: 'campus' },
    'public.constant': { scope: null, direction: 'down', policy: 'cloud' },
  },
};

export async function startRelayUnderFuzz(): Promise<RelayUnderFuzz & { chain: Chain }> {
  const chain = await startChain({ schema, seed, syncMap, campus: 'mvan' });
  await until(async () => (await chain.cloud.query('SELECT FROM sync.follower')).rowCount === 1);
  return {
    chain,
    url: chain.relayUrl,
    cloud: chain.cloud,
    authorization: () => chain.session.authorization(),
    forget: async () => {
      await chain.cloud.query('TRUNCATE sync.parked, sync.parked_row, sync.part');
    },
    foreignRows: `SELECT 'house', id::text, campus, name FROM house WHERE campus <> 'mvan'
                  UNION ALL SELECT 'seat', bench::text, place::text, name FROM seat WHERE campus <> 'mvan'
                  UNION ALL SELECT 'fee', id::text, fee::text, '' FROM house WHERE id BETWEEN 40 AND 49 AND fee <> 100
                  UNION ALL SELECT 'constant', name, value, '' FROM constant
                  UNION ALL SELECT 'secret', id::text, word, '' FROM secret
                  UNION ALL SELECT 'conflict', id::text, campus, kind FROM sync.conflict WHERE campus <> 'mvan'`,
  };
}
