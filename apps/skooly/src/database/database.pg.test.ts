import pg from 'pg';
import { expect, test } from 'vitest';
import { openLabSites, openSite } from '../testing/lab-sites.ts';
import { openDatabase } from './database.ts';

test('a lost connection is survived: the next request is answered', async () => {
  await using lab = await openLabSites();
  const token = await lab.cloud.login('directeur.mvan');
  const admin = new pg.Client({ connectionString: lab.url });
  await admin.connect();
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
  );
  await admin.end();
  await expect.poll(async () => (await lab.cloud.call(token, 'GET', '/api/me')).status).toBe(200);
});

test('a Postgres that is away is a 503 with a code and an advice, never a stack trace', async () => {
  await using lab = await openLabSites();
  const token = await lab.cloud.login('directeur.mvan');
  const away = openDatabase('postgres://nobody@127.0.0.1:1/nothing', () => {});
  const site = await openSite(away, lab.cloud.keys);
  for (const url of ['/api/me', '/healthz']) {
    const answer = await site.call(token, 'GET', url);
    expect(answer).toMatchObject({
      status: 503,
      body: { code: 'DATABASE_AWAY', message: expect.any(String) },
    });
    expect(JSON.stringify(answer.body)).not.toMatch(/ECONNREFUSED|at .*\.ts/);
  }
  await site.server.close();
  await away.close();
});

test('two transactions that block each other both get done', async () => {
  await using lab = await openLabSites();
  const { rows } = await lab.database.query('select id from pupil order by id limit 2');
  const [a, b] = rows.map(({ id }) => id);
  const met = Promise.withResolvers<void>();
  let arrived = 0;
  const touch = (first: string, second: string) =>
    lab.database.transaction(async (client) => {
      await client.query("update pupil set guardian_name = 'x' where id = $1", [first]);
      arrived += 1;
      if (arrived === 2) met.resolve();
      await met.promise;
      await client.query("update pupil set guardian_name = 'y' where id = $1", [second]);
    });
  await Promise.all([touch(a, b), touch(b, a)]);
  expect(arrived).toBe(3);
});
