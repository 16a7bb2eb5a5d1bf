/**
 * Feed entries as they came from the cloud, one by one or in blocks, kept as long as this campus's own acknowledged
 * transactions: when the cloud is restored to an earlier point, what it has lost since is given back from here.
 */
import { openFeedBlock } from '@skooly-edge/sync-protocol';
import type Database from 'better-sqlite3';

export interface ReceivedEntry {
  /** The cloud's epoch. */
  epoch: string;
  /** Position in this campus's feed within that epoch. */
  seq: number;
  stampEpoch: string;
  stampSeq: number;
  /** Microseconds since 1970-01-01 UTC. */
  committedAt: number;
  /** Where the commit ended in the cloud's WAL. */
  lsn: number;
  /** As it stood in the feed. */
  body: string;
  /** The cloud's proof that the entry is its own. */
  seal: string;
}

/** Entries that came together. */
export interface ReceivedBlock {
  epoch: string;
  firstSeq: number;
  lastSeq: number;
  /** As it came, see `openFeedBlock`. */
  block: Buffer;
  /** The cloud's proof that the block is its own. */
  seal: string;
}

/** One entry, and what proves that it is the cloud's. */
export interface KeptEntry {
  epoch: string;
  seq: number;
  stampEpoch: string;
  stampSeq: number;
  proof: ReceivedEntry | ReceivedBlock;
}

interface EntryRow {
  epoch: string;
  seq: number;
  stamp_epoch: string;
  stamp_seq: number;
  committed_at: number;
  lsn: number;
  body: string;
  seal: string;
}

interface BlockRow {
  epoch: string;
  first_seq: number;
  last_seq: number;
  block: Buffer;
  seal: string;
}

export class Received {
  readonly #insertEntry: Database.Statement;
  readonly #insertBlock: Database.Statement;
  readonly #entries: Database.Statement;
  readonly #blocks: Database.Statement;
  readonly #first: Database.Statement;
  readonly #firstAfter: Database.Statement;
  readonly #database: Database.Database;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#insertEntry = database.prepare(
      'INSERT INTO received (epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#insertBlock = database.prepare(
      'INSERT INTO received_block (epoch, first_seq, last_seq, block, seal, received_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#entries = database.prepare(
      'SELECT epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal FROM received WHERE epoch = ? AND seq > ? AND seq <= ? ORDER BY seq',
    );
    this.#blocks = database.prepare(
      'SELECT epoch, first_seq, last_seq, block, seal FROM received_block WHERE epoch = ? AND last_seq > ? AND first_seq <= ? ORDER BY first_seq, last_seq',
    );
    this.#first = database.prepare(
      `SELECT min(seq) AS seq FROM (SELECT min(seq) AS seq FROM received WHERE epoch = :epoch
         UNION ALL SELECT min(first_seq) FROM received_block WHERE epoch = :epoch)`,
    );
    this.#firstAfter = database.prepare(
      `SELECT min(seq) AS seq FROM (SELECT min(seq) AS seq FROM received WHERE epoch = :epoch AND seq > :seq
         UNION ALL SELECT max(min(first_seq), :seq + 1) FROM received_block WHERE epoch = :epoch AND last_seq > :seq)`,
    );
  }

  /** All of them or none; those that are here already stay as they were. */
  keep(pieces: readonly (ReceivedEntry | ReceivedBlock)[], nowMs: number | null): void {
    this.#database.transaction(() => {
      for (const piece of pieces) {
        if ('block' in piece) {
          const { epoch, firstSeq, lastSeq, block, seal } = piece;
          this.#insertBlock.run(epoch, firstSeq, lastSeq, block, seal, nowMs);
        } else {
          const { epoch, seq, stampEpoch, stampSeq, committedAt, lsn, body, seal } = piece;
          this.#insertEntry.run(epoch, seq, stampEpoch, stampSeq, committedAt, lsn, body, seal, nowMs);
        }
      }
    })();
  }

  /** At most `limit` entries behind `seq`, in order. */
  after(epoch: string, seq: number, limit: number): KeptEntry[] {
    const kept: KeptEntry[] = [];
    while (kept.length < limit) {
      const after = kept.at(-1)?.seq ?? seq;
      const first = (this.#firstAfter.get({ epoch, seq: after }) as { seq: number | null }).seq;
      if (first === null) break;
      kept.push(...this.#between(epoch, first - 1, first - 1 + limit - kept.length));
    }
    return kept;
  }

  /** The first seq kept of this epoch; null when there is none. */
  first(epoch: string): number | null {
    return (this.#first.get({ epoch }) as { seq: number | null }).seq;
  }

  #between(epoch: string, after: number, upTo: number): KeptEntry[] {
    const kept = new Map<number, KeptEntry>();
    for (const row of this.#entries.all(epoch, after, upTo) as EntryRow[]) kept.set(row.seq, entryOf(row));
    for (const row of this.#blocks.all(epoch, after, upTo) as BlockRow[]) {
      for (const entry of entriesOf(row)) {
        if (entry.seq > after && entry.seq <= upTo && !kept.has(entry.seq)) kept.set(entry.seq, entry);
      }
    }
    return [...kept.values()].sort((a, b) => a.seq - b.seq);
  }
}

function entryOf({ stamp_epoch, stamp_seq, committed_at, ...same }: EntryRow): KeptEntry {
  const proof = { ...same, stampEpoch: stamp_epoch, stampSeq: stamp_seq, committedAt: committed_at };
  return { epoch: same.epoch, seq: same.seq, stampEpoch: stamp_epoch, stampSeq: stamp_seq, proof };
}

function entriesOf({ epoch, first_seq, last_seq, block, seal }: BlockRow): KeptEntry[] {
  const proof = { epoch, firstSeq: first_seq, lastSeq: last_seq, block, seal };
  return openFeedBlock(block).heads.map(({ seq, stamp }) => ({
    epoch,
    seq,
    stampEpoch: stamp.epoch,
    stampSeq: stamp.seq,
    proof,
  }));
}
