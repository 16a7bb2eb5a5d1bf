/** Twenty random moments of a busy minute, each restored, each with exactly the rows that were committed by then. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../packages/backup-core/src/restore/postgres/server.ts';
import { restore } from '../../packages/backup-core/src/restore/restore.ts';
import { readTime } from '../../packages/backup-core/src/restore/target.ts';
import { seededRandom } from '../lab/seeded-random.ts';
import { type ArchivedPostgres, startArchivedPostgres } from '../support/archived-postgres.ts';

const SEED = 20261123;
const MOMENTS = 20;
const COMMITS = 300;

let live: ArchivedPostgres;
/** Microseconds since 1970 at which each canary was committed, by the server. */
let commits: { id: number; at: number }[];
let baseEnd: number;

beforeAll(async () => {
  live = await startArchivedPostgres();
  await live.query('create table canary (id int primary key)');
  baseEnd = Date.parse((await live.takeBase()).about.endedAt) * 1000;
  for (let id = 1; id <= COMMITS; id++) {
    await live.query('insert into canary values ($1)', [id]);
    if (id % 60 === 0) await live.archive();
    await sleep(10);
  }
  const { rows } = await live.query(
    `select id, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000000)::bigint::text as at from canary order by id`,
  );
  commits = rows.map(({ id, at }) => ({ id, at: Number(at) }));
  await live.archive();
}, 120_000);
afterAll(() => live?.stop());

test(`at ${MOMENTS} random moments (seed ${SEED}) the canaries of that moment are there, and no other`, async () => {
  const random = seededRandom(SEED);
  const first = Math.max(baseEnd + 1000, (commits[0]?.at as number) - 5000);
  const last = commits.at(-1)?.at as number;
  for (let moment = 0; moment < MOMENTS; moment++) {
    const at = Math.floor(first + random() * (last - first));
    const text = `${new Date(Math.floor(at / 1000)).toISOString().slice(0, 19)}.${String(at % 1_000_000).padStart(6, '0')}Z`;
    const restored = await restore({
      objects: live.objects,
      reader: live.reader,
      target: readTime(text),
      to: join(live.dir, `moment-${moment}`),
      settings: { fsync: 'off' },
      signal: new AbortController().signal,
      nowMs: () => performance.now(),
    });
    const [found] = await ask<{ ids: number[] | null }>(
      restored.server.connection('postgres'),
      'select array_agg(id order by id) as ids from canary',
    );
    await restored.server.stop();
    const expected = commits.filter((commit) => commit.at <= at).map(({ id }) => id);
    expect({ text, ids: found?.ids ?? [] }).toEqual({ text, ids: expected });
  }
});
