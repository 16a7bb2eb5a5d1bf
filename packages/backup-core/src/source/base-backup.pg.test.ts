import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkBase } from './backup-manifest.ts';
import { takeBaseBackup } from './base-backup.ts';
import { postgresProgram } from './postgres-programs.ts';
import { startCluster, type TestCluster } from './source.fixture.ts';
import { TarWalk } from './tar-walk.ts';

let cluster: TestCluster;
const signal = new AbortController().signal;

beforeAll(async () => {
  cluster = await startCluster();
  await cluster.query(
    `create table pupil as select i as id, md5(i::text) as name from generate_series(1, 20000) i`,
  );
});
afterAll(() => cluster[Symbol.asyncDispose]());

async function collect(stream: Readable): Promise<Buffer> {
  return Buffer.concat(await stream.toArray());
}

test('a base backup is what its manifest says, and pg_verifybackup agrees', async () => {
  const taken = await takeBaseBackup({ url: cluster.postgres.url, stallMs: 60_000, signal });
  const tar = join(cluster.dir, 'base.tar');
  await pipeline(taken.stream, createWriteStream(tar));
  const about = await taken.about();
  expect(about).toMatchObject({ timeline: 1, startLsn: expect.stringMatching(/^0\//) });
  expect(about.tables).toEqual([{ table: 'public.pupil', rows: 20000, checksum: expect.any(String) }]);
  const folder = join(cluster.dir, 'unpacked');
  mkdirSync(folder);
  expect(spawnSync('tar', ['-xf', tar, '-C', folder]).status).toBe(0);
  const verify = spawnSync(postgresProgram('pg_verifybackup', about.serverVersion), ['-n', folder]);
  expect(verify.stderr.toString()).toBe('');
  expect(verify.status).toBe(0);
});

test('tables are counted while the server waits for its archive, and of a moment after the end of the base', async () => {
  await using slow = await startCluster({ archive_mode: 'on', archive_command: 'sleep 2' });
  await slow.query('create table pupil as select i as id from generate_series(1, 100) i');
  const taken = await takeBaseBackup({ url: slow.postgres.url, stallMs: 60_000, signal });
  await taken.stream.toArray();
  const passedAt = Date.now();
  await slow.query('insert into pupil values (101)');
  const about = await taken.about();
  expect(Date.parse(about.endedAt)).toBeLessThan(passedAt - 500);
  expect(about.tables).toMatchObject([{ table: 'public.pupil', rows: 100 }]);
});

test('a byte that is not what the server sent is found before anything is sealed, and named', async () => {
  const { stream } = await takeBaseBackup({ url: cluster.postgres.url, stallMs: 60_000, signal });
  const tar = await collect(stream);
  const at = tar.indexOf(Buffer.from('PG_VERSION')) + 512;
  const other = Buffer.from(tar);
  other[at] = (other[at] as number) ^ 1;
  const walked = (bytes: Buffer) => {
    const walk = new TarWalk({ keep: 'backup_manifest', maxKeptBytes: 2 ** 28 });
    for (let from = 0; from < bytes.length; from += 1000) walk.push(bytes.subarray(from, from + 1000));
    walk.end();
    return checkBase(walk.kept as Buffer, walk.files);
  };
  expect(walked(tar)).toMatchObject({ timeline: 1 });
  expect(() => walked(other)).toThrow(/PG_VERSION differs from its checksum/);
  expect(() => walked(tar.subarray(0, at))).toThrow();
});

test('a cluster with another tablespace is refused by name', async () => {
  await cluster.query('set allow_in_place_tablespaces = on');
  await cluster.query(`create tablespace big_disk location ''`);
  await expect(takeBaseBackup({ url: cluster.postgres.url, stallMs: 60_000, signal })).rejects.toMatchObject({
    code: 'SOURCE_TABLESPACES',
    message: expect.stringContaining('big_disk'),
  });
  await cluster.query('drop tablespace big_disk');
});
