/**
 * The peer: Postgres's own logical replication, applying the same backlog between the same two servers. As well set up as
 * we know: binary transfer, replica identity by primary key, no initial copy, the apply worker without waiting for the disk
 * (Postgres's default for subscriptions), no conflict detection.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import {
  afterMorning,
  commitBacklog,
  fingerprint,
  holdsMarker,
  morning,
  morningChanges,
  type Stretch,
  schema,
  seed,
} from './school-mix.ts';

const database = 'native_peer';
const slot = 'native_peer';
/** The server starts the subscription's worker at once, if it has not started one in the last 5 s (`wal_retrieve_retry_interval`). */
const workerPauseMs = 6_000;

const pollMs = 5;
const limitMs = 600_000;

export interface NativeResult {
  seconds: number;
  /** Bytes of the raw pgoutput stream of the backlog. */
  rawBytes: number;
}

/** @param publisherUrl @param subscriberUrl Superusers of the two servers; databases are made and dropped. */
export async function runNative(
  publisherUrl: string,
  subscriberUrl: string,
  changes: number,
): Promise<NativeResult> {
  const publisher = await freshDatabase(publisherUrl);
  const subscriber = await freshDatabase(subscriberUrl);
  try {
    await publisher.query('CREATE PUBLICATION native_peer FOR ALL TABLES');
    await publisher.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    await subscriber.query(
      `CREATE SUBSCRIPTION native_peer CONNECTION '${keywords(publisherUrl)}' PUBLICATION native_peer
       WITH (create_slot = false, slot_name = '${slot}', copy_data = false, binary = true)`,
    );
    await commitBacklog(publisher, morningChanges, morning);
    await arrived(subscriber, morning);
    await subscriber.query('ALTER SUBSCRIPTION native_peer DISABLE');
    await publisher.query(`SELECT pg_create_logical_replication_slot('${slot}_raw', 'pgoutput')`);
    await commitBacklog(publisher, changes, afterMorning);
    const rawBytes = await rawStreamBytes(publisher);
    await sleep(workerPauseMs);
    const startedAt = performance.now();
    await subscriber.query('ALTER SUBSCRIPTION native_peer ENABLE');
    await arrived(subscriber, afterMorning);
    const seconds = (performance.now() - startedAt) / 1000;
    await sameRows(publisher, subscriber);
    return { seconds, rawBytes };
  } finally {
    await subscriber.query('ALTER SUBSCRIPTION native_peer DISABLE').catch(() => {});
    await subscriber.query('ALTER SUBSCRIPTION native_peer SET (slot_name = NONE)').catch(() => {});
    await subscriber.query('DROP SUBSCRIPTION native_peer').catch(() => {});
    await publisher.end();
    await subscriber.end();
  }
}

async function freshDatabase(serverUrl: string): Promise<pg.Client> {
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${database}`);
  await admin.end();
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query(schema + seed);
  return client;
}

async function rawStreamBytes(publisher: pg.Client): Promise<number> {
  const { rows } = await publisher.query(
    `SELECT sum(length(data))::bigint AS bytes FROM pg_logical_slot_peek_binary_changes(
       '${slot}_raw', NULL, NULL, 'proto_version', '1', 'publication_names', 'native_peer')`,
  );
  await publisher.query(`SELECT pg_drop_replication_slot('${slot}_raw')`);
  return Number(rows[0].bytes);
}

async function arrived(subscriber: pg.Client, stretch: Stretch): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holdsMarker(subscriber, stretch))) {
    if (performance.now() > deadline) throw new Error('native replication did not finish in time');
    await sleep(pollMs);
  }
}

async function sameRows(publisher: pg.Client, subscriber: pg.Client): Promise<void> {
  const [ours, theirs] = [await publisher.query(fingerprint), await subscriber.query(fingerprint)];
  if (JSON.stringify(ours.rows) !== JSON.stringify(theirs.rows))
    throw new Error('native replication ended unequal');
}

function keywords(url: string): string {
  const { hostname, port, username, password } = new URL(url);
  return `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)} dbname=${database}`;
}
