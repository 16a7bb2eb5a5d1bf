import { appendFileSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { logSource } from '../../apps/appliance/src/backup/log-source.ts';
import { until } from '../support/chain.ts';
import { connectedChain } from '../support/connected-chain.ts';
import { startLogBackups } from '../support/log-backups.ts';

const schema = `CREATE TABLE house (id int PRIMARY KEY, campus text NOT NULL, name text, owner text);`;
const seed = `INSERT INTO house SELECT n, 'mvan', 'h' || n, 'nobody' FROM generate_series(1, 20) n;`;
const syncMap = {
  version: 1,
  database: 'houses',
  tables: { 'public.house': { scope: 'campus', policy: 'newest', columns: { owner: 'inbox' } } },
};

const its = connectedChain({ schema, seed, syncMap });
const { rows, equal } = its;

const houses = (side: 'cloud' | 'campus') => rows(side, 'SELECT * FROM house ORDER BY id');

async function equalWith(expected: object[]) {
  await equal(houses);
  expect(await houses('cloud')).toEqual(
    expect.arrayContaining(expected.map((row) => expect.objectContaining(row))),
  );
}

describe('a box that lost', () => {
  test('its replication slot makes a new one and finds what was written without it', async () => {
    await its.chain.disconnect();
    await its.chain.campus.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
    );
    await its.chain.campus.query(`UPDATE house SET name = 'unseen' WHERE id = 1`);
    await its.chain.campus.query(`INSERT INTO house VALUES (100, 'mvan', 'unseen too', 'x')`);
    await its.chain.campus.query(`DELETE FROM house WHERE id = 2`);
    await its.chain.connect();
    await until(async () => (await rows('cloud', 'SELECT FROM house WHERE id = 100')).length === 1);
    await equalWith([
      { id: '1', name: 'unseen' },
      { id: '100', name: 'unseen too' },
    ]);
    await its.chain.campus.query(`UPDATE house SET name = 'seen again' WHERE id = 1`);
    await its.chain.settled();
    await equalWith([{ id: '1', name: 'seen again' }]);
  });

  test('its log, with writes that were not pushed, gives them to the cloud all the same', async () => {
    await its.chain.disconnect();
    await its.chain.campus.query(`UPDATE house SET name = 'in the old log' WHERE id = 3`);
    await its.chain.connectToNobody();
    await until(async () => (await its.chain.sync.status()).pendingTransactions > 0);
    await its.chain.disconnect();
    for (const suffix of ['', '-wal', '-shm'])
      rmSync(join(its.chain.stateDir, `sync-log.sqlite${suffix}`), { force: true });
    await its.chain.cloud.query(`UPDATE house SET name = 'meanwhile in the cloud' WHERE id = 4`);
    await its.chain.connect();
    await until(
      async () => (await rows('cloud', `SELECT FROM house WHERE name = 'in the old log'`)).length === 1,
    );
    await equalWith([
      { id: '3', name: 'in the old log' },
      { id: '4', name: 'meanwhile in the cloud' },
    ]);
  });

  test('a day of its database gets it from the cloud, with its own unsent writes', async () => {
    const restore = await its.chain.backUpCampus();
    await its.chain.campus.query(`UPDATE house SET name = 'written and sent' WHERE id = 5`);
    await its.chain.settled();
    await its.chain.disconnect();
    await its.chain.campus.query(`UPDATE house SET name = 'written and not sent' WHERE id = 6`);
    await its.chain.cloud.query(`UPDATE house SET name = 'from the cloud' WHERE id = 7`);
    await its.chain.connectToNobody();
    await until(async () => (await its.chain.sync.status()).pendingTransactions > 0);
    await its.chain.disconnect();
    await restore();
    expect(await rows('campus', 'SELECT name FROM house WHERE id = 5')).toEqual([{ name: 'h5' }]);
    await its.chain.connect();
    await until(
      async () =>
        (await rows('campus', `SELECT FROM house WHERE name = 'written and not sent'`)).length === 1,
    );
    await equalWith([
      { id: '5', name: 'written and sent' },
      { id: '6', name: 'written and not sent' },
      { id: '7', name: 'from the cloud' },
    ]);
    await its.chain.campus.query(`UPDATE house SET name = 'and on' WHERE id = 5`);
    await its.chain.settled();
    await equalWith([{ id: '5', name: 'and on' }]);
  });
});

describe('a box that died', () => {
  test('is replaced by one that gets the rows from the cloud, and from the old log what was never sent', async () => {
    await its.chain.disconnect();
    await its.chain.campus.query(`UPDATE house SET name = 'never sent' WHERE id = 8`);
    await its.chain.campus.query(`INSERT INTO house VALUES (200, 'mvan', 'never sent either', 'x')`);
    await its.chain.connectToNobody();
    await until(async () => (await its.chain.sync.status()).pendingTransactions === 2);
    await its.chain.disconnect();
    const oldLog = await its.chain.replaceBox();
    await its.chain.connect();
    await its.chain.settled();
    expect(await rows('campus', 'SELECT name FROM house WHERE id = 8')).toEqual([{ name: 'h8' }]);
    await its.chain.campus.query(`UPDATE house SET name = 'of the new box' WHERE id = 9`);
    const signal = AbortSignal.timeout(20_000);
    expect(await its.chain.sync.adopt(oldLog, signal)).toMatchObject({ pushed: 2 });
    await until(
      async () => (await rows('campus', `SELECT FROM house WHERE name LIKE 'never sent%'`)).length === 2,
    );
    await equalWith([
      { id: '8', name: 'never sent' },
      { id: '9', name: 'of the new box' },
      { id: '200', name: 'never sent either' },
    ]);
    expect(await its.chain.sync.adopt(oldLog, signal)).toMatchObject({ pushed: 0 });
    await expect(its.chain.sync.adopt(its.chain.stateDir, signal)).rejects.toMatchObject({
      code: 'LOG_IS_OWN',
    });
    await expect(its.chain.sync.adopt('/nowhere', signal)).rejects.toMatchObject({ code: 'LOG_NOT_FOUND' });
    await its.chain.campus.query(`UPDATE house SET name = 'and on' WHERE id = 8`);
    await equalWith([{ id: '8', name: 'and on' }]);
  });

  test('gives what it never sent from nothing but a bucket and a key, once', async () => {
    await using backups = await startLogBackups('mvan');
    const { chain } = its;
    await chain.campus.query(`UPDATE house SET name = 'sent and backed up' WHERE id = 10`);
    await chain.settled();
    await backups.take(logSource(chain.sync.log));
    await chain.disconnect();
    await chain.campus.query(`UPDATE house SET name = 'only in the bucket' WHERE id = 11`);
    await chain.campus.query(`INSERT INTO house VALUES (201, 'mvan', 'only in the bucket too', 'x')`);
    await chain.connectToNobody();
    await until(async () => (await chain.sync.status()).pendingTransactions === 2);
    await backups.take(logSource(chain.sync.log));
    await chain.disconnect();
    rmSync(await chain.replaceBox(), { recursive: true });
    await chain.connect();
    await chain.settled();
    expect(await rows('cloud', `SELECT FROM house WHERE name LIKE 'only in%'`)).toEqual([]);

    const file = join(backups.dir, 'brought-back.ndjson');
    const { out, code, errors } = await backups.command('sync-log', '--to', file, '--json');
    expect([code, errors]).toEqual([0, expect.stringContaining('Sync log ')]);
    const signal = AbortSignal.timeout(20_000);
    const { lastSeq } = await chain.sync.adopt(file, signal);
    expect(JSON.parse(out)).toMatchObject({ file, toSeq: lastSeq, others: [] });
    await until(
      async () => (await rows('campus', `SELECT FROM house WHERE name LIKE 'only in%'`)).length === 2,
    );
    await equalWith([
      { id: '10', name: 'sent and backed up' },
      { id: '11', name: 'only in the bucket' },
      { id: '201', name: 'only in the bucket too' },
    ]);
    await chain.campus.query(`UPDATE house SET name = 'and on' WHERE id = 11`);
    await chain.settled();
    expect(await chain.sync.adopt(file, signal)).toMatchObject({ pushed: 0 });
    await equalWith([{ id: '11', name: 'and on' }]);

    const spoilt = join(backups.dir, 'spoilt.ndjson');
    cpSync(file, spoilt);
    appendFileSync(spoilt, '{}\n');
    await expect(chain.sync.adopt(spoilt, signal)).rejects.toMatchObject({ code: 'LOG_UNREADABLE' });
  });
});
