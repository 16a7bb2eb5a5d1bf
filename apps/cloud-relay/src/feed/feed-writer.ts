/**
 * Writes `sync.feed`: one row per commit of the cloud and campus that it concerns, in commit order, with the stamp that
 * says which of the campus's own transactions were applied before it.
 *
 * Of all relays on a database one is elected by an advisory lock; the others stand by and try again each second. Feed
 * rows, stamps and the WAL position are written in one transaction: after a crash, WAL that is read again is recognised
 * by its position.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AppliedMessage,
  appliedMessage,
  Capture,
  type CapturedTransaction,
  type CaptureSink,
  type Catalog,
  type Change,
  type Correction,
  enrolledMessage,
  isApplyOrigin,
  sessionConfig,
} from '@skooly-edge/sync-protocol';
import { Client } from 'pg';
import type { Logger } from 'pino';
import { feedChannel } from './feed-signals.ts';
import { changesByCampus } from './scope.ts';

/** Advisory lock of the elected feed writer: "edge" in ASCII, and 1. */
const writerLock = [0x65646765, 1];

const electionIntervalMs = 1_000;
const restartDelayMs = 500;

/** NOTIFY payloads are limited to 8,000 bytes; beyond this many campuses everyone is woken. */
const maxNotifiedCampuses = 100;

/** A campus that has pushed this much since its last entry is sent an empty one, so that it learns its stamp. */
const stampOnlyAfter = 1_000;

export interface FeedWriterOptions {
  databaseUrl: string;
  catalog: Catalog;
  logger: Logger;
}

/** The last entry of one campus's feed, and what of its log is applied. */
interface FollowerState {
  feedSeq: number;
  stampEpoch: string;
  stampSeq: number;
  /** The stamp that the last entry carried. */
  toldSeq: number;
}

interface FeedRow {
  campus: string;
  seq: number;
  stampEpoch: string;
  stampSeq: number;
  committedAt: number;
  body: string;
}

export class FeedWriter {
  readonly #options: FeedWriterOptions;
  #elected = false;

  constructor(options: FeedWriterOptions) {
    this.#options = options;
  }

  /** Whether this relay is the one that writes. */
  get elected(): boolean {
    return this.#elected;
  }

  /** Runs until the signal aborts; a failure is logged and followed by a new election. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#term(signal);
      } catch (error) {
        if (!signal.aborted) this.#options.logger.warn({ err: error }, 'feed writer stopped, starts again');
      }
      this.#elected = false;
      await sleep(restartDelayMs, undefined, { signal }).catch(() => {});
    }
  }

  /** From election to the loss of the connection that holds the lock. */
  async #term(signal: AbortSignal): Promise<void> {
    const { databaseUrl, logger } = this.#options;
    const client = new Client(sessionConfig(databaseUrl, { applicationName: 'skooly-relay feed writer' }));
    const lost = new AbortController();
    client.on('error', (error) => lost.abort(error));
    await client.connect();
    try {
      while (!(await tryLock(client))) await sleep(electionIntervalMs, undefined, { signal });
      this.#elected = true;
      logger.info('elected to write the feed');
      const isApply = isApplyOrigin(databaseUrl);
      const sink = await FeedSink.open(client, this.#options.catalog, isApply);
      const capture = new Capture({
        connectionString: databaseUrl,
        applicationName: 'skooly-relay capture',
        sink,
        skipOrigin: () => false,
        table: (name) => captureTable(this.#options.catalog, name),
      });
      await capture.run(AbortSignal.any([signal, lost.signal]));
    } finally {
      await client.end().catch(() => {});
    }
  }
}

function captureTable(catalog: Catalog, name: string) {
  const table = catalog.tables.get(name);
  if (!table) throw new Error(`the publication has ${name}, which the sync map does not name`);
  return { keyColumns: table.keyColumns, by: table.rule.by };
}

async function tryLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: string }>(
    'SELECT pg_try_advisory_lock($1, $2) AS locked',
    writerLock,
  );
  return rows[0]?.locked === 't';
}

class FeedSink implements CaptureSink {
  readonly #client: Client;
  readonly #catalog: Catalog;
  readonly #isApply: (origin: string) => boolean;
  readonly #followers: Map<string, FollowerState>;
  #position: number;

  static async open(
    client: Client,
    catalog: Catalog,
    isApply: (origin: string) => boolean,
  ): Promise<FeedSink> {
    const position = await client.query<{ lsn: string }>('SELECT lsn FROM sync.feed_position');
    const followers = await client.query<Record<string, string>>(
      'SELECT campus, feed_seq, stamp_epoch, stamp_seq FROM sync.follower',
    );
    const states = followers.rows.map((row): [string, FollowerState] => [
      row.campus ?? '',
      {
        feedSeq: Number(row.feed_seq),
        stampEpoch: row.stamp_epoch ?? '',
        stampSeq: Number(row.stamp_seq),
        toldSeq: Number(row.stamp_seq),
      },
    ]);
    return new FeedSink(client, catalog, isApply, Number(position.rows[0]?.lsn ?? 0), new Map(states));
  }

  constructor(
    client: Client,
    catalog: Catalog,
    isApply: (origin: string) => boolean,
    position: number,
    followers: Map<string, FollowerState>,
  ) {
    this.#client = client;
    this.#catalog = catalog;
    this.#isApply = isApply;
    this.#position = position;
    this.#followers = followers;
  }

  async append(transactions: CapturedTransaction[]): Promise<void> {
    const rows: FeedRow[] = [];
    const moved = new Set<string>();
    let noteworthy = false;
    for (const transaction of transactions) {
      if (transaction.endLsn <= this.#position) continue;
      rows.push(...this.#entries(transaction, moved));
      noteworthy ||= transaction.messages.length > 0;
    }
    const end = Math.max(this.#position, transactions.at(-1)?.endLsn ?? 0);
    if (rows.length > 0 || moved.size > 0 || noteworthy) await this.#write(rows, moved, end);
    this.#position = end;
  }

  #entries(transaction: CapturedTransaction, moved: Set<string>): FeedRow[] {
    const applied = this.#readMessages(transaction, moved);
    const author =
      transaction.origin !== null && this.#isApply(transaction.origin) ? applied?.campus : undefined;
    const perCampus = new Map<string, { changes: Change[]; corrections: Correction[] }>();
    const entryFor = (campus: string) => {
      const entry = perCampus.get(campus) ?? { changes: [], corrections: [] };
      perCampus.set(campus, entry);
      return entry;
    };
    for (const captured of transaction.changes) {
      const rule = this.#catalog.tables.get(captured.table)?.rule;
      if (!rule) continue;
      for (const { campus, change } of changesByCampus(captured, rule, this.#followers.keys())) {
        if (campus !== author && this.#followers.has(campus)) entryFor(campus).changes.push(change);
      }
    }
    if (applied && this.#followers.has(applied.campus)) {
      if (applied.corrections.length > 0 || this.#owesStamp(applied.campus)) {
        entryFor(applied.campus).corrections.push(...applied.corrections);
      }
    }
    return [...perCampus].map(([campus, body]) =>
      this.#feedRow(campus, transaction.committedAt, body, moved),
    );
  }

  /** Enrolments and stamps, in the order of the WAL. */
  #readMessages(transaction: CapturedTransaction, moved: Set<string>): AppliedMessage | null {
    let applied: AppliedMessage | null = null;
    for (const { prefix, content } of transaction.messages) {
      if (prefix === enrolledMessage) {
        const { campus } = JSON.parse(content) as { campus: string };
        if (this.#followers.has(campus)) continue;
        this.#followers.set(campus, { feedSeq: 0, stampEpoch: '', stampSeq: 0, toldSeq: 0 });
        moved.add(campus);
      } else if (prefix === appliedMessage) {
        applied = JSON.parse(content) as AppliedMessage;
        const follower = this.#followers.get(applied.campus);
        if (!follower) continue;
        if (follower.stampEpoch !== applied.epoch) follower.toldSeq = 0;
        follower.stampEpoch = applied.epoch;
        follower.stampSeq = applied.seq;
        moved.add(applied.campus);
      }
    }
    return applied;
  }

  #owesStamp(campus: string): boolean {
    const follower = this.#followers.get(campus) as FollowerState;
    return follower.stampSeq - follower.toldSeq >= stampOnlyAfter;
  }

  #feedRow(campus: string, committedAt: number, body: object, moved: Set<string>): FeedRow {
    const follower = this.#followers.get(campus) as FollowerState;
    follower.feedSeq++;
    follower.toldSeq = follower.stampSeq;
    moved.add(campus);
    const { feedSeq: seq, stampEpoch, stampSeq } = follower;
    return { campus, seq, stampEpoch, stampSeq, committedAt, body: JSON.stringify(body) };
  }

  async #write(rows: FeedRow[], moved: Set<string>, end: number): Promise<void> {
    const client = this.#client;
    await client.query('BEGIN');
    if (rows.length > 0) {
      await client.query(
        `INSERT INTO sync.feed (campus, seq, stamp_epoch, stamp_seq, committed_at, body)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])`,
        [
          rows.map((row) => row.campus),
          rows.map((row) => row.seq),
          rows.map((row) => row.stampEpoch),
          rows.map((row) => row.stampSeq),
          rows.map((row) => row.committedAt),
          rows.map((row) => row.body),
        ],
      );
    }
    const followers = [...moved].map((campus) => ({
      campus,
      ...(this.#followers.get(campus) as FollowerState),
    }));
    await client.query(
      `INSERT INTO sync.follower (campus, feed_seq, stamp_epoch, stamp_seq)
       SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[])
       ON CONFLICT (campus) DO UPDATE SET feed_seq = excluded.feed_seq, stamp_epoch = excluded.stamp_epoch,
                                          stamp_seq = excluded.stamp_seq`,
      [
        followers.map((follower) => follower.campus),
        followers.map((follower) => follower.feedSeq),
        followers.map((follower) => follower.stampEpoch),
        followers.map((follower) => follower.stampSeq),
      ],
    );
    await client.query('UPDATE sync.feed_position SET lsn = $1', [end]);
    const campuses = [...new Set(rows.map((row) => row.campus))];
    if (campuses.length > 0) {
      const payload = campuses.length > maxNotifiedCampuses ? '*' : campuses.join(',');
      await client.query('SELECT pg_notify($1, $2)', [feedChannel, payload]);
    }
    await client.query('COMMIT');
  }
}
