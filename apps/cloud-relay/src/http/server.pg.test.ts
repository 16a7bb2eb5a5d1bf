import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeBatch,
  encodeLines,
  entryOfRow,
  type FeedColumns,
  openFeedBlock,
  parseSyncMap,
  prepareSite,
  sessionConfig,
  syncRole,
  type Transaction,
} from '@skooly-edge/sync-protocol';
import { Client } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../../test/lab/ports/free-port.ts';
import { until } from '../../../../test/support/chain.ts';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { sessionOf, trustBox } from '../../../../test/support/trust.ts';
import { runRelay } from '../relay.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
});
const password = 'chain-test';
const stop = new AbortController();
let database: TestDatabase;
let cloud: Client;
let relay: Promise<void>;
let base: string;
let authorization: string;
let stateDir: string;

beforeAll(async () => {
  database = await createDatabase('relay');
  cloud = new Client(sessionConfig(database.url, { applicationName: 'relay test' }));
  await cloud.connect();
  await cloud.query('CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL, name text)');
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password });
  stateDir = mkdtempSync(join(tmpdir(), 'skooly-relay-test-'));
  await trustBox(cloud, 'mvan', stateDir);
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  const url = Object.assign(new URL(database.url), { username: syncRole, password });
  relay = runRelay(
    {
      databaseUrl: url.href,
      listen: { host: '127.0.0.1', port },
      syncMap,
      signingKey: generateKeyPairSync('ed25519').privateKey,
      electricUrl: null,
      logLevel: 'silent',
    },
    pino({ level: 'silent' }),
    stop.signal,
  );
  await until(async () => (await fetch(`${base}/v1/sync`).catch(() => null))?.status === 401);
  authorization = await sessionOf(new URL(base), 'mvan', stateDir).authorization();
  await until(async () => (await shape({ offset: 'now' }).catch(() => null))?.status === 200);
});

afterAll(async () => {
  stop.abort(new Error('over'));
  await relay;
  await cloud.end();
  await database.drop();
  rmSync(stateDir, { recursive: true });
});

interface ShapeMessage {
  value?: { seq: string; body: string; block?: string; seal?: string };
  headers: { control?: string; operation?: string };
}

async function shape(query: Record<string, string>) {
  const response = await fetch(`${base}/v1/shape?${new URLSearchParams({ table: 'sync.feed', ...query })}`, {
    headers: { authorization },
  });
  const messages = (await response.json()) as ShapeMessage[];
  return { status: response.status, headers: response.headers, messages };
}

async function position(): Promise<{ handle: string; offset: string }> {
  const { headers } = await shape({ offset: 'now' });
  return { handle: headers.get('electric-handle') ?? '', offset: headers.get('electric-offset') ?? '' };
}

async function push(body: Uint8Array, headers: Record<string, string> = { authorization }) {
  const response = await fetch(`${base}/v1/push`, {
    method: 'POST',
    headers: { 'content-type': 'application/zstd', ...headers },
    body: Buffer.from(body),
  });
  return { status: response.status, answer: await response.json() };
}

const insert = (seq: number, id: string): Transaction => ({
  seq,
  committedAt: Date.now() * 1000,
  changes: [
    {
      table: 'public.pupil',
      key: { id },
      op: 'insert',
      before: null,
      after: { id, campus: 'mvan', name: 'n' },
    },
  ],
});
const batch = (epoch: string, ...transactions: Transaction[]) =>
  encodeBatch(
    { epoch },
    transactions.map((transaction) => JSON.stringify(transaction)),
  );
const count = async () => Number((await cloud.query('SELECT count(*) AS n FROM pupil')).rows[0].n);

describe('the feed as a shape', () => {
  it('begins with the end of an empty snapshot and is not up to date yet', async () => {
    const { status, headers, messages } = await shape({ offset: '-1' });
    expect(status).toBe(200);
    expect(headers.has('electric-up-to-date')).toBe(false);
    expect(headers.get('electric-offset')).toBe('0_0');
    expect(headers.has('electric-schema')).toBe(true);
    expect(messages.map((message) => message.headers.control)).toEqual(['snapshot-end']);
  });

  it('gives the log after an offset, and then says that it is up to date', async () => {
    const from = await position();
    await cloud.query("INSERT INTO pupil VALUES ('log', 'mvan', 'a')");
    await until(async () => (await position()).offset !== from.offset);
    const { headers, messages } = await shape(from);
    expect(headers.has('electric-up-to-date')).toBe(true);
    expect(messages.map(({ headers: { control, operation } }) => control ?? operation)).toEqual([
      'insert',
      'up-to-date',
    ]);
  });

  it('comes as a block to who asks for blocks, where there are many entries, and as rows to who does not', async () => {
    const from = await position();
    const begin = Number(from.offset.split('_')[0]);
    for (let n = 0; n < 120; n++)
      await cloud.query("INSERT INTO pupil VALUES ($1, 'mvan', 'many')", [`many ${n}`]);
    await until(async () => (await position()).offset === `${begin + 120}_0`);
    const [rows, blocks] = [await shape(from), await shape({ ...from, blocks: '1' })];
    expect([rows.messages.length, blocks.messages.length]).toEqual([121, 2]);
    expect(blocks.headers.get('electric-offset')).toBe(`${begin + 120}_0`);
    const { block = '', seal = '' } = blocks.messages[0]?.value ?? {};
    const entries = openFeedBlock(Buffer.from(block, 'base64')).entries();
    const sent = rows.messages.slice(0, -1).map(({ value }) => entryOfRow(value as FeedColumns));
    expect(entries).toEqual(sent);
    const spoilt = Buffer.from(block, 'base64');
    spoilt[10] = (spoilt[10] as number) ^ 1;
    const upTo = begin + 120;
    const { body } = new Response(
      await encodeLines([
        JSON.stringify({ v: 1, epoch: 'any' }),
        JSON.stringify({ block: spoilt.toString('base64'), seal, upTo }),
      ]),
    );
    const response = await fetch(`${base}/v1/restore/entries`, {
      method: 'POST',
      headers: { 'content-type': 'application/zstd', authorization },
      body,
      duplex: 'half',
    } as RequestInit);
    expect(await response.json()).toMatchObject({ code: 'SEAL_INVALID' });
  });

  it.each([{ handle: 'another' }, {}])(
    'with the handle %j is to be fetched anew under the right one',
    async (query) => {
      const { handle } = await position();
      const { status, headers, messages } = await shape({ offset: '0_0', ...query } as Record<
        string,
        string
      >);
      expect(status).toBe(409);
      expect(headers.get('electric-handle')).toBe(handle);
      expect(messages).toEqual([{ headers: { control: 'must-refetch' } }]);
    },
  );

  it('beyond its end is to be fetched anew', async () => {
    const { handle } = await position();
    expect((await shape({ offset: '999999_0', handle })).status).toBe(409);
  });

  it('held live waits, and returns the row that comes', async () => {
    const from = await position();
    const held = shape({ ...from, live: 'true', cursor: '5' });
    const early = await Promise.race([
      held,
      new Promise((resolve) => setTimeout(resolve, 300, 'still waiting')),
    ]);
    expect(early).toBe('still waiting');
    await cloud.query("INSERT INTO pupil VALUES ('live', 'mvan', 'a')");
    const { messages, headers } = await held;
    expect(headers.get('electric-cursor')).toBe('6');
    expect(messages[0]?.value?.body).toContain('"live"');
  });
});

describe('a feed of which the oldest entries are gone', () => {
  const ask = async (query: string) =>
    (await fetch(`${base}/v1/sync?epoch=e&${query}`, { headers: { authorization } })).json();

  it('is refused with 410 to who is behind them, and told where it begins', async () => {
    const head = Number((await position()).offset.split('_')[0]);
    await cloud.query("INSERT INTO sync.feed_reader (campus, trimmed_to) VALUES ('mvan', $1)", [head]);
    const { handle } = await position();
    const response = await fetch(
      `${base}/v1/shape?${new URLSearchParams({ table: 'sync.feed', handle, offset: `${head - 1}_0` })}`,
      { headers: { authorization } },
    );
    expect([response.status, await response.json()]).toMatchObject([
      410,
      { code: 'FEED_TRIMMED', feedAfter: head },
    ]);
    expect((await shape({ handle, offset: `${head}_0` })).status).toBe(200);
    expect(await ask('')).toMatchObject({ feedAfter: head });
  });

  it('learns from the box how far it has read', async () => {
    await ask('feed=2');
    const { rows } = await cloud.query('SELECT read_seq FROM sync.feed_reader');
    expect(rows).toEqual([{ read_seq: '2' }]);
    expect(await ask('feed=-1')).toMatchObject({ code: 'REQUEST_INVALID' });
    await cloud.query('DELETE FROM sync.feed_reader');
  });
});

describe('a push', () => {
  it('without a token is refused with 401 and the code', async () => {
    const { status, answer } = await push(await batch('auth', insert(1, 'auth')), {});
    expect(status).toBe(401);
    expect(answer).toMatchObject({ code: 'UNAUTHENTICATED', advice: expect.any(String) });
  });

  it('that is malformed is refused with 400 and nothing of it is applied', async () => {
    const before = await count();
    const body = await batch('malformed', insert(1, 'm1'), insert(3, 'm3'));
    expect(await push(body)).toMatchObject({ status: 400, answer: { code: 'BATCH_MALFORMED' } });
    expect(await push(body.subarray(0, 20))).toMatchObject({
      status: 400,
      answer: { code: 'BATCH_MALFORMED' },
    });
    expect(await count()).toBe(before);
  });

  it('that leaves a gap after the cursor is refused with 409 and the cursor', async () => {
    const before = await count();
    const { status, answer } = await push(await batch('gap', insert(2, 'g2')));
    expect(status).toBe(409);
    expect(answer).toMatchObject({ code: 'SEQ_GAP', cursor: { epoch: 'gap', seq: 0 } });
    expect(await count()).toBe(before);
  });

  it('that comes twice is applied once', async () => {
    const before = await count();
    const body = await batch('twice', insert(1, 't1'), insert(2, 't2'));
    const first = await push(body);
    expect(first).toEqual({
      status: 200,
      answer: { cursor: { epoch: 'twice', seq: 2 }, conflicts: 0, parked: 0 },
    });
    expect(await push(body)).toEqual(first);
    expect(await count()).toBe(before + 2);
  });
});
