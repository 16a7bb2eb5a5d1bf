import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  enrolText,
  fingerprintOf,
  parseSyncMap,
  prepareSite,
  publicKeyText,
  readPairingCode,
  sessionConfig,
  signText,
  syncRole,
} from '@skooly-edge/sync-protocol';
import { Command } from 'commander';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { askToEnrol } from './enrol.ts';
import { addEnrolCommands } from './enrol-command.ts';

const map = { version: 1, database: 'x', tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } } };
let database: TestDatabase;
let client: Client;
let folder: string;

beforeAll(async () => {
  database = await createDatabase('enrol_command');
  folder = mkdtempSync(join(tmpdir(), 'skooly-enrol-command-'));
  client = new Client(sessionConfig(database.url, { applicationName: 'enrol command test' }));
  await client.connect();
  await client.query('CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL)');
  await prepareSite({
    adminUrl: database.url,
    site: 'cloud',
    syncMap: parseSyncMap(map),
    password: 'chain-test',
  });
});
afterEach(() => {
  process.exitCode = 0;
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
  rmSync(folder, { recursive: true });
});

/** As the engine's own role, which is the one that an administrator's relay has. */
async function run(...args: string[]): Promise<string> {
  const url = Object.assign(new URL(database.url), { username: syncRole, password: 'chain-test' });
  const out = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    const program = new Command();
    addEnrolCommands(program, () => ({ RELAY_DATABASE_URL: url.href }));
    await program.parseAsync(args, { from: 'user' });
    return out.mock.calls.join('\n');
  } finally {
    out.mockRestore();
  }
}

async function askWith(code: string, campus: string): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const fingerprint = fingerprintOf(publicKey);
  const signature = signText(enrolText(campus, readPairingCode(code) ?? '', fingerprint), privateKey);
  await askToEnrol(client, { campus, code, publicKey: publicKeyText(publicKey), signature });
  return fingerprint;
}

test('a code is made, the fingerprint that waits is shown, and only the named one is trusted', async () => {
  const who = ['--campus', 'mvan', '--by', 'Marie Nkeng'];
  const made = await run('pair', ...who);
  const code = made.split('\n')[0] as string;
  expect(made).toContain(`skooly-edge enrol --code ${code}`);
  const fingerprint = await askWith(code, 'mvan');
  expect(await run('confirm', ...who)).toContain(`Waiting: ${fingerprint}`);
  expect(process.exitCode).toBe(2);
  const shown = await run('boxes');
  expect(shown).toContain(`mvan  ${fingerprint}  pending`);
  expect(await run('confirm', ...who, '--fingerprint', fingerprint)).toBe('The box of mvan is trusted.');
  const { boxes, log } = JSON.parse(await run('boxes', '--json'));
  expect(boxes).toMatchObject([{ campus: 'mvan', fingerprint, state: 'trusted' }]);
  expect(log.at(-1)).toMatchObject({ event: 'box confirmed', by_whom: 'Marie Nkeng' });
});

test('a waiting box that is the wrong one gives way to the one with the next code', async () => {
  const who = ['--campus', 'thief', '--by', 'Marie Nkeng'];
  const wrong = await askWith(await run('pair', ...who, '--code-only'), 'thief');
  const right = await askWith(await run('pair', ...who, '--code-only'), 'thief');
  await expect(run('confirm', ...who, '--fingerprint', wrong)).rejects.toMatchObject({ code: 'BOX_UNKNOWN' });
  expect(await run('confirm', ...who, '--fingerprint', right)).toBe('The box of thief is trusted.');
});

test('revoking says whether the sessions of users ended too, and what is left to do', async () => {
  const who = ['--campus', 'lost', '--by', 'Marie Nkeng'];
  await askWith(await run('pair', ...who, '--code-only', '--confirm-automatically'), 'lost');
  const reason = ['--reason', 'stolen'];
  expect(await run('revoke', ...who, ...reason)).toContain('no file was named');
  const file = join(folder, 'trusted-keys.json');
  await expect(run('revoke', ...who, ...reason, '--trusted-keys', file)).rejects.toThrow(
    /lost is revoked for the sync, but is still on .*by hand/,
  );
  writeFileSync(file, JSON.stringify([{ site: 'lost' }, { site: 'cloud' }]));
  expect(await run('revoke', ...who, ...reason, '--trusted-keys', file)).toContain('is off');
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual([{ site: 'cloud' }]);
  expect((await run('boxes')).match(/campus revoked {2}by Marie Nkeng {2}stolen/g)).toHaveLength(1);
});
