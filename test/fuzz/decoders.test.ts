import { expect, test } from 'vitest';
import { fuzzCodec, fuzzPgoutput } from './decoders.ts';
import { fuzzFeedBlocks } from './feed-blocks.ts';

test('a spoilt batch is right or refused by the codec’s own error', async () => {
  const { accepted, refused } = await fuzzCodec({ seed: 1, messages: 1_000 });
  expect(refused).toBeGreaterThan(accepted);
  expect(accepted).toBeGreaterThan(0);
}, 60_000);

test('a spoilt feed block is refused by its own code, or says what the follower can rely on', () => {
  const { accepted, refused } = fuzzFeedBlocks({ seed: 1, messages: 2_000 });
  expect(refused).toBeGreaterThan(accepted);
  expect(accepted).toBeGreaterThan(0);
}, 60_000);

test('a spoilt message of Postgres’s stream is right or refused by the decoder’s own error', () => {
  const { accepted, refused } = fuzzPgoutput({ seed: 1, messages: 5_000 });
  expect(accepted).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(0);
}, 60_000);
