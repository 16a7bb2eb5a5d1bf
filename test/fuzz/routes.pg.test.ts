import { expect, test } from 'vitest';
import { startRelayUnderFuzz } from './relay-under-fuzz.ts';
import { fuzzRoutes, relayRoutes } from './routes.ts';

test('every route is known to the fuzzer by the server itself', async () => {
  const paths = (await relayRoutes()).map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining([
      '/healthz',
      '/v1/push',
      '/v1/shape',
      '/v1/restore/entries',
      '/v1/session/challenge',
    ]),
  );
});

test('no spoilt request brings the relay down, leaves a trace where it was refused, or changes others’ rows', async () => {
  const relay = await startRelayUnderFuzz();
  await using chain = relay.chain;
  const { messages, refused } = await fuzzRoutes(relay, { seed: 1, messages: 500 });
  expect(messages).toBe(500);
  expect(refused).toBeGreaterThan(200);
  expect((await chain.cloud.query('SELECT count(*) FROM secret')).rows).toEqual([{ count: '1' }]);
}, 120_000);
