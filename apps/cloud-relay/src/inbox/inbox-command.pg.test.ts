import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSyncMap, prepareSite, sessionConfig, syncRole } from '@skooly-edge/sync-protocol';
import { Command } from 'commander';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { addInbox } from './inbox-command.ts';

const map = { version: 1, database: 'x', tables: { 'public.mark': { scope: 'campus', policy: 'inbox' } } };
const id = '00000000-0000-8000-8000-000000000001';

let database: TestDatabase;
let client: Client;
let folder: string;

beforeAll(async () => {
  database = await createDatabase('cloud_inbox');
  folder = mkdtempSync(join(tmpdir(), 'skooly-inbox-'));
  writeFileSync(join(folder, 'map.json'), JSON.stringify(map));
  client = new Client(sessionConfig(database.url, { applicationName: 'inbox test' }));
  client.on('error', () => {});
  await client.connect();
  await client.query(`CREATE TABLE mark (id text PRIMARY KEY, campus text NOT NULL, value int);
                      INSERT INTO mark VALUES ('1', 'mvan', 14)`);
  await prepareSite({
    adminUrl: database.url,
    site: 'cloud',
    syncMap: parseSyncMap(map),
    password: 'chain-test',
  });
  await client.query(
    `INSERT INTO sync.conflict (id, campus, kind, table_name, row_key, before, campus_value, cloud_value, result, rule, status,
       campus_at, campus_epoch, campus_seq, created_at)
     VALUES ($1, 'mvan', 'update_differs', 'public.mark', '{"id":"1"}', '{"value":"10"}', '{"value":"12"}', '{"value":"14"}',
       '{"value":"14"}', '{"value":"inbox"}', 'open', now(), 'e', 1, now())`,
    [id],
  );
});

afterAll(async () => {
  process.exitCode = 0;
  await client?.end();
  await database?.drop();
  rmSync(folder, { recursive: true });
});

async function run(...args: string[]): Promise<string> {
  const url = new URL(database.url);
  url.username = syncRole;
  url.password = 'chain-test';
  let out = '';
  const write = (text: string) => {
    out += text;
  };
  const program = new Command();
  addInbox(program, {
    readEnv: () => ({ RELAY_DATABASE_URL: url.href, RELAY_SYNC_MAP: join(folder, 'map.json') }),
    readLocale: () => 'fr_FR.UTF-8',
    terminal: { write, complain: write, ask: null },
  });
  await program.parseAsync(args, { from: 'user' });
  return out;
}

const value = async () => (await client.query("SELECT value FROM mark WHERE id = '1'")).rows[0].value;

test('the cloud’s inbox is worked on over its database, with the rights of the engine’s own role', async () => {
  expect(await run('conflicts', '--open')).toContain('1 conflit, dont 1 ouvert');
  expect(await run('decide', id, '--keep', 'campus', '--by', 'siège', '--yes')).toContain(
    '1 décision écrite.',
  );
  expect(await value()).toBe('12');
  expect(await run('conflict', id)).toMatch(/Tranché par siège, .* : celle du site est gardée/);
  expect(await run('undo', id, '--yes', '--lang', 'en')).toContain('1 decision undone.');
  expect(await value()).toBe('14');
  expect(await run('decide', id.replace(/1$/, '2'), '--keep', 'campus', '--yes')).toContain(
    "n'est connu ici",
  );
});
