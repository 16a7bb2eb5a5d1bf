import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { type Batch, encodeBatch, transactionsIn } from '@skooly-edge/sync-protocol';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { RelayClient } from '../../../appliance/src/relay-client/relay-client.ts';
import { Admission } from '../admission/admission.ts';
import { buildServer, type ServerOptions } from './server.ts';

const never = new AbortController().signal;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A relay that has room for so many batches, whose ingest takes them when the test says so, and clients of campuses that it trusts. */
async function openRelay(guests = 1) {
  const taken: string[] = [];
  const waiting: (() => void)[] = [];
  const admission = new Admission({
    limits: { working: guests, guests },
    monotonicMs: () => performance.now(),
  });
  const ingest = {
    async push(campus: string, batch: Batch) {
      taken.push(campus);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { cursor: { epoch: batch.epoch, seq: transactionsIn(batch).length }, conflicts: 0, parked: 0 };
    },
  };
  const pool = { query: async () => ({ rows: [{ campus: trusted, state: 'trusted' }] }) };
  let trusted = '';
  const said: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void said.push(line) });
  const options = { admission, ingest, pool, shape: {}, logger, now: () => new Date(), config: {} };
  const server = buildServer(options as unknown as ServerOptions);
  await server.listen({ host: '127.0.0.1', port: 0 });
  closing.push(() => server.close());
  const url = new URL(`http://127.0.0.1:${(server.server.address() as AddressInfo).port}`);
  const client = (campus: string) => {
    const authorization = async () => `Bearer edge.${campus}.${'x'.repeat(43)}`;
    trusted = campus;
    return new RelayClient({ relayUrl: url, session: { authorization, refused: () => {} } });
  };
  const push = (campus: string, body: Buffer, signal = never) => client(campus).pushBody(body, signal);
  const next = async () => {
    await until(() => waiting.length > 0);
    waiting.shift()?.();
  };
  const refusals = () => said.filter((line) => line.includes('RELAY_BUSY')).length;
  const waits = () => waiting.length;
  return { url, client, push, next, waits, taken, refusals };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Larger than what the kernel keeps of a connection. */
async function largeBatch(): Promise<Buffer> {
  const note = randomBytes(6 * 1024 * 1024).toString('base64');
  const after = { id: '1', note };
  const changes = [{ table: 'public.pupil', key: { id: '1' }, op: 'insert', before: null, after }];
  return encodeBatch({ epoch: 'e' }, [JSON.stringify({ seq: 1, committedAt: 1, changes })]);
}

it('a batch for which there is no room is refused before its body is read, comes again, and is taken', async () => {
  const relay = await openRelay();
  const body = await largeBatch();
  const first = relay.push('first', body);
  await until(() => relay.taken.length > 0);
  const headers = {
    authorization: `Bearer edge.second.${'x'.repeat(43)}`,
    'content-type': 'application/zstd',
  };
  const second = relay.push('second', body);
  await until(() => relay.refusals() > 0);
  const refused = await fetch(new URL('/v1/push', relay.url), {
    method: 'POST',
    headers,
    body: Uint8Array.from(body),
  });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect(await refused.json()).toMatchObject({ code: 'RELAY_BUSY', retryAfterSeconds: 1 });
  await relay.next();
  expect(await first).toMatchObject({ cursor: { seq: 1 } });
  await relay.next();
  expect(await second).toMatchObject({ cursor: { seq: 1 } });
  expect(relay.taken).toEqual(['first', 'second']);
});

it('a batch whose sender went away, or that is no batch, leaves its room to others', async () => {
  const relay = await openRelay();
  const stop = new AbortController();
  const gone = relay.push('gone', await largeBatch(), stop.signal);
  stop.abort();
  await expect(gone).rejects.toThrow();
  await expect(relay.push('odd', Buffer.from('no batch'))).rejects.toMatchObject({ code: 'BATCH_MALFORMED' });
  const pushed = relay.push('next', await encodeBatch({ epoch: 'e' }, []));
  await relay.next();
  expect(await pushed).toMatchObject({ cursor: { seq: 0 } });
});

it('batches that come one behind the other over one connection are taken in turn, and leave nothing behind when it breaks', async () => {
  const relay = await openRelay(3);
  const empty = await encodeBatch({ epoch: 'e' }, []);
  const box = connect(Number(relay.url.port), '127.0.0.1');
  relay.client('row');
  const head = (length: number) =>
    `POST /v1/push HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer edge.row.${'x'.repeat(43)}\r\n` +
    `content-type: application/zstd\r\ncontent-length: ${length}\r\n\r\n`;
  for (let i = 0; i < 2; i++) box.write(Buffer.concat([Buffer.from(head(empty.length)), empty]));
  box.write(`${head(1_000)}the beginning of a batch`);
  const [answer] = await Promise.all([once(box, 'data'), relay.next()]);
  expect(String(answer)).toMatch(/^HTTP\/1.1 200 /);
  await until(() => relay.waits() === 1);
  box.destroy();
  await relay.next();
  await settled();
  const again = relay.client('row');
  const pushed = Promise.all([empty, empty, empty].map((body) => again.pushBody(body, never)));
  for (let i = 0; i < 3; i++) {
    await until(() => relay.waits() > 0);
    await settled();
    expect(relay.waits()).toBe(1);
    await relay.next();
  }
  expect(await pushed).toHaveLength(3);
  expect([relay.refusals(), relay.taken.length]).toEqual([0, 5]);
});
