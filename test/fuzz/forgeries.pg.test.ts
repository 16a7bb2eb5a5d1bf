import { encodeLines } from '@skooly-edge/sync-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forgeries } from './forgeries.ts';
import { startRelayUnderFuzz } from './relay-under-fuzz.ts';

let relay: Awaited<ReturnType<typeof startRelayUnderFuzz>>;

beforeAll(async () => {
  relay = await startRelayUnderFuzz();
});

afterAll(async () => {
  await relay?.chain[Symbol.asyncDispose]();
});

const rows = async () => (await relay.cloud.query(`${relay.foreignRows} ORDER BY 1, 2`)).rows;

test.each(Object.entries(forgeries))(
  '%s: a campus that tries it changes nothing that is not its own',
  async (what, changes) => {
    await relay.forget();
    const before = await rows();
    const response = await fetch(new URL('/v1/push', relay.url), {
      method: 'POST',
      headers: { 'content-type': 'application/zstd', authorization: await relay.authorization() },
      body: Buffer.from(
        await encodeLines([
          JSON.stringify({ v: 1, epoch: what.slice(0, 40) }),
          JSON.stringify({ seq: 1, committedAt: 1, changes }),
        ]),
      ),
    });
    const answer = await response.text();
    expect(response.status, answer).toBeLessThan(500);
    expect(await rows()).toEqual(before);
  },
);
