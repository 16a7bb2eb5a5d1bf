import { expect, test } from 'vitest';
import { growthOf, measureGrowth } from './growth.ts';
import { measureIdle } from './idle.ts';
import { measureNarrow } from './narrow.ts';
import { PushTap } from './push-tap.ts';
import { withSchoolLab } from './school-lab.ts';

const silent = () => {};

test('the benches growth, narrow and idle carry small backlogs to equal ends, and see what they measure', async () => {
  const tap = new PushTap();
  const appliance = {
    EDGE_RELAY_URL: await tap.listen(),
    EDGE_LINK_TIMEOUT_MS: '4000',
    EDGE_LINK_REST_AFTER_MS: '2000',
    EDGE_LINK_REST_INTERVAL_MS: '1000',
  };
  try {
    await withSchoolLab({ env: { appliance }, beforeUp: (lab) => tap.passToRelayOf(lab) }, async (lab) => {
      const grown = await measureGrowth(lab, 600, silent);
      expect(grown).toMatchObject({ changes: 600 });
      expect(grown.appliance.peakBytes).toBeGreaterThan(2 ** 20);
      expect(grown.relay.peakBytes).toBeGreaterThan(2 ** 20);

      const shape = { kbps: 64, rttMs: 40, lossPct: 1 };
      const size = { changes: 300, cuts: 1, cutMs: 1_500, shape };
      const narrow = await measureNarrow(lab, tap, size, silent);
      expect(narrow).toMatchObject({ bench: 'narrow', changes: 300, cuts: 1, shape });
      expect(narrow.usefulBytes).toBeGreaterThan(300);
      expect(narrow.wireBytes).toBeGreaterThan(narrow.usefulBytes);
      expect(narrow.batches).toBeGreaterThan(0);

      const idle = await measureIdle(lab, { changes: 0, settleSeconds: 1, seconds: 3 }, silent);
      expect(idle).toMatchObject({ bench: 'idle', seconds: 3 });
      expect(idle.ours).toBeGreaterThan(2 ** 20);
      expect(idle.bytesADay.up).toBeGreaterThan(0);
    });
  } finally {
    await tap.close();
  }
});

test('growth subtracts what a heal costs whatever the backlog', () => {
  const memory = { rssBytes: 100, peakBytes: 200 };
  const run = (changes: number, seconds: number) => ({ changes, seconds, appliance: memory, relay: memory });
  const startSeconds = 3;
  const straight = growthOf([
    run(1_000, startSeconds + 1),
    run(10_000, startSeconds + 10),
    run(100_000, startSeconds + 100),
  ]);
  expect(straight.ours).toBeCloseTo(1);
  expect(straight.met).toBe(true);
  const bent = growthOf([run(1_000, 1), run(10_000, 10), run(100_000, 150)]);
  expect(bent.met).toBe(false);
});
