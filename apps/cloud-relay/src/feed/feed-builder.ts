/**
 * Turns the cloud's commits into entries of the campuses' feeds: what of each commit concerns which campus, in commit order,
 * with the stamp that says which of the campus's own transactions were applied before it.
 *
 * Holds what the last entries were and knows no database: who writes the entries writes the followers and the position
 * with them, in one transaction, and begins anew from what is stored when that fails.
 */
import {
  type AppliedMessage,
  type AuthorMessage,
  appliedMessage,
  authorMessage,
  type CapturedTransaction,
  type Change,
  type CorrectedMessage,
  type Correction,
  correctedMessage,
  enrolledMessage,
  type LiveCatalog,
  type Lsn,
} from '@skooly-edge/sync-protocol';
import { noOwners, type Owners } from './owners.ts';
import { changesByCampus } from './scope.ts';

/** A campus that has pushed this much since its last entry is sent an empty one, so that it learns its stamp. */
const stampOnlyAfter = 1_000;

/** The last entry of one campus's feed, and what of its log is applied. */
export interface Follower {
  campus: string;
  feedSeq: number;
  stampEpoch: string;
  stampSeq: number;
}

export interface FeedRow {
  campus: string;
  /** The cloud's epoch in which the commit was made. */
  epoch: string;
  seq: number;
  stampEpoch: string;
  stampSeq: number;
  committedAt: number;
  /** Where the commit ends in the cloud's WAL. */
  lsn: Lsn;
  body: string;
  seal: string;
}

/** A table was truncated in the cloud: the campuses keep their rows, and are told. */
export interface Truncation {
  epoch: string;
  table: string;
  lsn: Lsn;
  committedAt: number;
}

/** What is to be written in one transaction, with further ones while `more`. */
export interface FeedCommit {
  rows: FeedRow[];
  truncations: Truncation[];
  /** The commit that the last rows tell of goes on: nothing counts before its end. */
  more: boolean;
  /** Followers that moved. */
  followers: Follower[];
  position: Lsn;
}

export interface FeedBuilderOptions {
  catalog: LiveCatalog;
  /** Whether rows under this origin were written by ingest. */
  isApply(origin: string): boolean;
  /** As stored with the last commit. */
  position: Lsn;
  followers: readonly Follower[];
  /** The cloud's epoch. */
  epoch: string;
  seal(entry: Omit<FeedRow, 'seal'>): string;
}

interface Body {
  changes: Change[];
  corrections: Correction[];
  more?: boolean;
}

/** A commit of which a part has been read. */
interface OpenCommit {
  author: string | undefined;
  told: ReadonlySet<string>;
  moved: Set<string>;
}

export class FeedBuilder {
  readonly #options: FeedBuilderOptions;
  readonly #followers: Map<string, Follower & { toldSeq: number }>;
  #position: Lsn;
  #open: OpenCommit | null = null;

  constructor(options: FeedBuilderOptions) {
    this.#options = options;
    this.#position = options.position;
    this.#followers = new Map(
      options.followers.map((follower) => [follower.campus, { ...follower, toldSeq: follower.stampSeq }]),
    );
  }

  /**
   * @param transactions Whole ones, or one part.
   * @param owners Whose the rows of a transaction are that have no scope column.
   * @returns what they make of the feed; null when there is nothing to write. Those known are passed over.
   */
  build(
    transactions: readonly CapturedTransaction[],
    owners: (transaction: CapturedTransaction) => Owners = () => noOwners,
  ): FeedCommit | null {
    const rows: FeedRow[] = [];
    const truncations: Truncation[] = [];
    const moved = this.#open?.moved ?? new Set<string>();
    let noteworthy = this.#open !== null;
    const fresh = transactions.filter(({ endLsn }) => endLsn > this.#position);
    for (const transaction of fresh) {
      rows.push(...this.#entries(transaction, moved, owners(transaction)));
      truncations.push(...this.#truncations(transaction));
      noteworthy ||= transaction.messages.length > 0 || transaction.truncated !== undefined;
    }
    const more = fresh.at(-1)?.more === true;
    if (!more) this.#position = fresh.at(-1)?.endLsn ?? this.#position;
    if (rows.length === 0 && moved.size === 0 && !noteworthy && !more) return null;
    const followers = [...moved].map((campus) => {
      const { toldSeq: _toldSeq, ...follower } = this.#follower(campus);
      return follower;
    });
    return { rows, truncations, more, followers, position: this.#position };
  }

  #entries(transaction: CapturedTransaction, moved: Set<string>, owners: Owners): FeedRow[] {
    const bodies = new Map<string, Body>();
    const bodyFor = (campus: string) => {
      const body = bodies.get(campus) ?? { changes: [], corrections: [] };
      bodies.set(campus, body);
      return body;
    };
    const applied = this.#readMessages(transaction, moved, bodyFor);
    const author = authorOf(transaction, this.#options) ?? this.#open?.author;
    for (const captured of transaction.changes) {
      const table = this.#options.catalog.current.tables.get(captured.table);
      if (!table) continue;
      for (const { campus, change } of changesByCampus(captured, table, this.#followers.keys(), owners.of)) {
        if (campus !== author && this.#followers.has(campus)) bodyFor(campus).changes.push(change);
      }
    }
    if (applied && this.#followers.has(applied.campus)) {
      if (applied.corrections.length > 0 || this.#owesStamp(applied.campus))
        bodyFor(applied.campus).corrections.push(...applied.corrections);
    }
    for (const { campus, correction } of owners.moves) {
      if (this.#followers.has(campus)) bodyFor(campus).corrections.push(correction);
    }
    this.#keepOpen(transaction, author, bodies, moved, bodyFor);
    return [...bodies].map(([campus, body]) => this.#feedRow(campus, transaction, body, moved));
  }

  /** Whoever was told a part is told the end, and whose changes they are is said in the first part only. */
  #keepOpen(
    { more = false }: CapturedTransaction,
    author: string | undefined,
    bodies: Map<string, Body>,
    moved: Set<string>,
    bodyFor: (campus: string) => Body,
  ): void {
    const told = new Set([...(this.#open?.told ?? []), ...bodies.keys()]);
    if (more) {
      for (const body of bodies.values()) body.more = true;
      this.#open = { author, told, moved };
    } else {
      for (const campus of this.#open?.told ?? []) bodyFor(campus);
      this.#open = null;
    }
  }

  #truncations({ truncated = [], endLsn: lsn, committedAt, origin }: CapturedTransaction): Truncation[] {
    const { epoch, isApply } = this.#options;
    if (origin !== null && isApply(origin)) return [];
    return truncated.map((table) => ({ epoch, table, lsn, committedAt }));
  }

  /** Enrolments, stamps and corrections, in the order of the WAL. */
  #readMessages(
    transaction: CapturedTransaction,
    moved: Set<string>,
    bodyFor: (campus: string) => Body,
  ): AppliedMessage | null {
    let applied: AppliedMessage | null = null;
    for (const { prefix, content } of transaction.messages) {
      if (prefix === enrolledMessage) {
        const { campus } = JSON.parse(content) as { campus: string };
        if (this.#followers.has(campus)) continue;
        this.#followers.set(campus, { campus, feedSeq: 0, stampEpoch: '', stampSeq: 0, toldSeq: 0 });
        moved.add(campus);
      } else if (prefix === appliedMessage) {
        applied = JSON.parse(content) as AppliedMessage;
        this.#stamp(applied, moved);
      } else if (prefix === correctedMessage) {
        const { campus, corrections } = JSON.parse(content) as CorrectedMessage;
        if (this.#followers.has(campus)) bodyFor(campus).corrections.push(...corrections);
      }
    }
    return applied;
  }

  #stamp(applied: AppliedMessage, moved: Set<string>): void {
    const follower = this.#followers.get(applied.campus);
    if (!follower) return;
    if (follower.stampEpoch !== applied.epoch) follower.toldSeq = 0;
    follower.stampEpoch = applied.epoch;
    follower.stampSeq = applied.seq;
    moved.add(applied.campus);
  }

  #owesStamp(campus: string): boolean {
    const { stampSeq, toldSeq } = this.#follower(campus);
    return stampSeq - toldSeq >= stampOnlyAfter;
  }

  #feedRow(
    campus: string,
    { committedAt, endLsn }: CapturedTransaction,
    body: Body,
    moved: Set<string>,
  ): FeedRow {
    const follower = this.#follower(campus);
    follower.feedSeq++;
    follower.toldSeq = follower.stampSeq;
    moved.add(campus);
    const { feedSeq: seq, stampEpoch, stampSeq } = follower;
    const { epoch } = this.#options;
    const row = {
      campus,
      epoch,
      seq,
      stampEpoch,
      stampSeq,
      committedAt,
      lsn: endLsn,
      body: JSON.stringify(body),
    };
    return { ...row, seal: this.#options.seal(row) };
  }

  #follower(campus: string): Follower & { toldSeq: number } {
    const follower = this.#followers.get(campus);
    if (!follower) throw new Error(`${campus} has no feed`);
    return follower;
  }
}

/** The campus whose pushed changes these are: it has them. */
function authorOf(
  { origin, messages }: CapturedTransaction,
  { isApply }: Pick<FeedBuilderOptions, 'isApply'>,
): string | undefined {
  if (origin === null || !isApply(origin)) return undefined;
  const message = messages.find(({ prefix }) => prefix === authorMessage);
  return message && (JSON.parse(message.content) as AuthorMessage).campus;
}
