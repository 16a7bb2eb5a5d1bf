import { decodeBatch, encodeBlocks, transactionsIn } from '@skooly-edge/sync-protocol';
import { expect, it } from 'vitest';
import { RelayClient } from './relay-client.ts';
import type { RelayFetch } from './relay-fetch.ts';

const never = new AbortController().signal;
const session = { authorization: async () => 'Bearer one', refused: () => {} };

it('batches leave in the order in which they were pushed, though the first takes longer to make', async () => {
  const bodies: Buffer[] = [];
  const inARow: RelayFetch = async (_url, { body }) => {
    bodies.push(Buffer.from(body ?? ''));
    const text = async () => JSON.stringify({ cursor: { epoch: 'e', seq: 0 }, conflicts: 0, parked: 0 });
    return { ok: true, status: 200, headers: { get: () => null }, text };
  };
  const relay = new RelayClient({ relayUrl: new URL('https://relay.test'), session, inARow });
  const boot = (n: number) => [`boot ${n}`, { base: n, earliest: n, latest: n }] as const;
  const manyBoots = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => boot(n)));
  const [first, second] = [await encodeBlocks([transaction(1)]), await encodeBlocks([transaction(2)])];
  await Promise.all([
    relay.push({ epoch: 'e', boots: manyBoots }, [first], never),
    relay.push({ epoch: 'e' }, [second], never),
  ]);
  const sent = await Promise.all(bodies.map(async (body) => transactionsIn(await decodeBatch(body))[0]?.seq));
  expect(sent).toEqual([1, 2]);
});

function transaction(seq: number): string {
  const after = { id: String(seq), note: `pupil ${seq}` };
  const changes = [{ table: 'public.pupil', key: { id: after.id }, op: 'insert', before: null, after }];
  return JSON.stringify({ seq, committedAt: 1, changes });
}
