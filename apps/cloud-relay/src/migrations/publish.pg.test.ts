import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  parseSyncMap,
  prepareSite,
  sessionConfig,
  syncRole,
  verifyMigration,
} from '@skooly-edge/sync-protocol';
import Fastify from 'fastify';
import { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { addMigrations } from '../http/migration-routes.ts';
import { publishMigration } from './publish.ts';
import { maxMigrationsInAnswer, type PublishedMigrations } from './published.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'test',
  tables: { 'public.pupil': { scope: null, policy: 'newest' } },
});
const { privateKey, publicKey } = generateKeyPairSync('ed25519');

let database: TestDatabase;
let pool: Pool;
let folder: string;

beforeEach(async () => {
  database = await createDatabase('publish');
  folder = mkdtempSync(join(tmpdir(), 'skooly-publish-'));
  writeFileSync(join(folder, 'release.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const admin = new Pool({ connectionString: database.url, max: 1 });
  await admin.query('CREATE TABLE pupil (id int PRIMARY KEY)');
  await admin.end();
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password: 'chain-test' });
  const url = Object.assign(new URL(database.url), { username: syncRole, password: 'chain-test' });
  pool = new Pool(sessionConfig(url.href, { applicationName: 'publish test' }));
});

afterEach(async () => {
  await pool.end();
  await database.drop();
  rmSync(folder, { recursive: true });
});

function publish(name: string, sql: string) {
  const file = join(folder, name);
  writeFileSync(file, sql);
  const keyFile = join(folder, 'release.pem');
  return publishMigration({
    file,
    keyFile,
    ownerUrl: database.url,
    syncMapFile: null,
    ownMap: () => syncMap,
  });
}

async function ask(query: string): Promise<{ status: number; body: PublishedMigrations }> {
  const server = Fastify();
  addMigrations(server, { pool, catalog: { refresh: async () => {} } });
  const answer = await server.inject(`/v1/migrations?${query}`);
  return { status: answer.statusCode, body: answer.json() };
}

describe('publishing a migration', () => {
  test('changes the cloud, and offers boxes what they can verify with the public key alone', async () => {
    expect(await publish('001-house.sql', 'ALTER TABLE pupil ADD COLUMN house text')).toBe('applied');
    await pool.query('SELECT house FROM pupil');
    const { body } = await ask('after=0');
    expect(body.number).toBe(1);
    expect(body.migrations.map(({ name }) => name)).toEqual(['001-house.sql']);
    for (const migration of body.migrations)
      expect(() => verifyMigration(migration, publicKey)).not.toThrow();
  });

  test('twice changes nothing, and another text under the same number is refused', async () => {
    await publish('001-house.sql', 'ALTER TABLE pupil ADD COLUMN house text');
    expect(await publish('001-house.sql', 'ALTER TABLE pupil ADD COLUMN house text')).toBe('unchanged');
    await expect(publish('001-house.sql', 'SELECT 1')).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' });
  });

  test('that fails in the cloud offers nothing to anybody', async () => {
    await expect(publish('001-house.sql', 'SELECT nonsense')).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
    });
    expect((await ask('after=0')).body).toEqual({ number: 0, migrations: [] });
  });

  test('that leaves a number out is refused', async () => {
    await expect(publish('002-house.sql', 'SELECT 1')).rejects.toMatchObject({ code: 'MIGRATION_GAP' });
  });
});

describe('what a box is offered', () => {
  test('follows its own number, a few at a time', async () => {
    for (let number = 1; number <= maxMigrationsInAnswer + 2; number++)
      await publish(`${number}-a.sql`, 'SELECT 1');
    const first = (await ask('after=1')).body;
    expect(first.migrations.map(({ number }) => number)).toEqual([2, 3, 4, 5, 6]);
    expect(first.number).toBe(maxMigrationsInAnswer + 2);
    expect((await ask('after=6')).body.migrations.map(({ number }) => number)).toEqual([7]);
  });

  test.each(['', 'after=-1', 'after=x', 'after=1.5'])(
    'needs a number to follow: %j is refused',
    async (query) => {
      expect((await ask(query)).status).toBe(400);
    },
  );
});
