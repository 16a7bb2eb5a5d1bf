/** Steps that the scenarios share: asking either site, waiting for rest, a backlog worth draining. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect } from 'vitest';
import type { Lab } from '../lab/lab.ts';

const restSeconds = 60;
const pollMs = 50;

export type Side = 'cloud' | 'campus';

/** Runs SQL as the site's administrator, as if the school's own application had. */
export async function query(lab: Lab, side: Side, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: lab.addresses()[side].postgres });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Both sites come to rest and hold the same rows. */
export async function expectEqual(lab: Lab): Promise<void> {
  const report = await lab.verify({ waitSeconds: restSeconds });
  expect(report, JSON.stringify(report, null, 2)).toMatchObject({ equal: true });
}

export async function until(
  what: string,
  condition: () => Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`${what}: it did not come to pass in ${limitMs} ms`);
    await sleep(pollMs);
  }
}

export async function untilState(lab: Lab, state: string): Promise<void> {
  await until(`the link is ${state}`, async () => (await lab.status()).state === state);
}
