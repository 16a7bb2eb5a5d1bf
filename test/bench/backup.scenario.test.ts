import { expect, test } from 'vitest';
import { benchBackup } from './backup.ts';

test('the bench backup restores from both contenders what they backed up', { timeout: 120_000 }, async () => {
  const result = await benchBackup({ mebibytes: 5, segments: 2 }, () => {});
  expect(result).toMatchObject({ bench: 'backup', segments: 2, peer: { name: 'pgBackRest' } });
  expect(result.ours.peakMiB.restore).toBeGreaterThan(0);
});
