import { expect, test } from 'vitest';
import { createDatabase } from '../support/postgres.ts';
import { benchStorm } from './storm.ts';

test('the storm bench drains campuses that reconnect at once, whole and without an error', async () => {
  const database = await createDatabase('storm');
  try {
    const options = { campuses: 20, changes: 40, databaseUrl: database.url };
    const { ours, ...result } = await benchStorm(options, () => {});
    expect(result).toMatchObject({ bench: 'storm', campuses: 20, changes: 40 });
    expect(result.requests).toBeGreaterThanOrEqual(20);
    expect(ours.errors).toBe(0);
    expect(ours.relayPeakMebibytes).toBeGreaterThan(0);
  } finally {
    await database.drop();
  }
});
