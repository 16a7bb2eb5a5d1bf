/**
 * The follower applies entries of the cloud's feed to the campus's database, in order, cursor and rows in one commit.
 *
 * Groups whose rows stand as the cloud saw them, and of which this campus has changed nothing since, are written straight, as many
 * as have come in one commit. Any other has a commit of its own: lock the rows, wait until capture has passed every local commit
 * (milliseconds), ask the log what this campus changed after each entry's stamp, decide column by column, write. A group that cannot
 * be applied is tried in halves, with one wait for all attempts (`early-answers.ts`), until the entry that cannot, because of rows that
 * this campus has pending, stands alone: it is parked, later entries for the same rows wait behind it, and all are tried again when
 * something of a later group was applied, and when the cloud has judged more of this campus's transactions.
 *
 * What this campus's schema has no place for is kept, and followed as soon as it has, before anything later.
 */
import {
  BrokenReferenceError,
  type Change,
  type Correction,
  type FeedEntry,
  type FeedGroup,
  type FeedHead,
  type FollowResult,
  followChange,
  followCorrection,
  groupOfEntries,
  type OwnChanges,
  type Row,
  RowImages,
  type Stamp,
  type StraightPlan,
  StraightWay,
} from '@skooly-edge/sync-protocol';
import type { CampusCommit, CampusStore } from './campus-store.ts';
import { type Attempt, EarlyAnswers } from './early-answers.ts';
import { ParkedEntries, rowsOf } from './parked-entries.ts';
import { joinParts } from './parts.ts';

/** What the follower asks of the sync log. */
export interface OwnLog {
  readonly epoch: string;
  /** Of this campus's last transaction that is logged. */
  readonly lastSeq: number;
  /** What this campus did to the row in transactions with seq > stamp; null when nothing. */
  changesSince(table: string, key: Row, stampSeq: number): OwnChanges | null;
  /** No entry with an older stamp will come any more. */
  forgetTouches(seq: number): void;
}

export interface FollowerOptions {
  store: CampusStore;
  log: OwnLog;
  /** Resolves when every local commit before the call is in the log; throws when that takes too long. */
  captured(signal: AbortSignal): Promise<void>;
  /** The feed changes a row that is neither here nor deleted here: the sites have drifted apart. */
  onDrift(table: string, key: Row, seq: number): void;
}

export class Follower {
  readonly #options: FollowerOptions;
  readonly #parked = new ParkedEntries();
  #last: Promise<unknown> = Promise.resolve();
  /** Until it begins. */
  #nextRetry: Promise<void> | null = null;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  get parked(): number {
    return this.#parked.size;
  }

  /**
   * Applies entries that follow the cursor without a gap, in one commit if they can be written straight, otherwise in one for each
   * group. May be called again after a failure with the same entries: those behind the cursor are left out.
   */
  async apply(groups: readonly FeedGroup[], signal: AbortSignal): Promise<void> {
    let applied: AppliedGroups | 'learned' | 'apart' | null;
    do applied = await this.#commit((commit) => this.#applyGroups(commit, groups, signal), signal);
    while (applied === 'learned');
    if (applied === 'apart') for (const group of groups) await this.apply([group], signal);
    else if (applied) this.#forget(applied);
  }

  /**
   * The cloud has judged more of this campus's transactions, or the schema is another one: what waits is tried again. Whoever asks
   * for it before it has begun shares it.
   */
  retry(signal: AbortSignal): Promise<void> {
    if (this.#nextRetry) return this.#nextRetry;
    const next = this.#retry(signal).finally(() => {
      if (this.#nextRetry === next) this.#nextRetry = null;
    });
    this.#nextRetry = next;
    return next;
  }

  async #retry(signal: AbortSignal): Promise<void> {
    let learned: boolean;
    do {
      learned = await this.#commit(async (commit) => {
        this.#nextRetry = null;
        await commit.cursor();
        await this.#parked.load(commit);
        if (await this.#applyLearned(commit, signal)) return true;
        await this.#retryEach(commit, signal);
        await this.#retryTogether(commit, signal);
        return false;
      }, signal);
    } while (learned);
  }

  /**
   * The cloud was restored, and everything up to the cursor is given back: the feed goes on under another epoch.
   *
   * @returns whether the cursor still stood at `from`; if not, nothing has happened.
   */
  async switchEpoch(
    from: { epoch: string; seq: number },
    epoch: string,
    forkSeq: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const switched = await this.#commit(async (commit) => {
      const cursor = await commit.cursor();
      if (cursor.epoch !== from.epoch || cursor.seq !== from.seq) return false;
      await commit.switchEpoch(epoch, forkSeq);
      return true;
    }, signal);
    this.#parked.unload();
    return switched;
  }

  close(): Promise<void> {
    return this.#options.store.close();
  }

  /**
   * One commit at a time. What is known of the parked entries holds as long as every commit goes through. A commit that is begun anew
   * waits for capture at each attempt.
   */
  #commit<T>(work: (commit: FollowerCommit) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { store, log, captured, onDrift } = this.#options;
    const result = this.#last.then(async () => {
      let begun = false;
      try {
        return await store.commit(async (commit) => {
          if (begun) this.#parked.unload();
          const early = begun ? null : new EarlyAnswers(log);
          begun = true;
          const done = await work({ ...commit, early });
          await early?.prove(() => captured(signal), onDrift);
          return done;
        }, signal);
      } catch (error) {
        this.#parked.unload();
        throw error;
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }

  /** @returns what is applied, if anything is; otherwise what has to come first. */
  async #applyGroups(
    commit: FollowerCommit,
    groups: readonly FeedGroup[],
    signal: AbortSignal,
  ): Promise<AppliedGroups | 'learned' | 'apart' | null> {
    const cursor = await commit.cursor();
    const heads = groups.flatMap((group) => group.heads);
    const fresh = heads.filter(({ seq }) => seq > cursor.seq);
    const last = fresh.at(-1);
    if (!last) return null;
    if (fresh[0]?.seq !== cursor.seq + 1)
      throw new Error(`the feed skips from ${cursor.seq} to ${fresh[0]?.seq}`);
    const foreign = fresh.find(({ epoch, seq }) => epoch !== cursor.epoch && seq > cursor.forkSeq);
    if (foreign) throw new Error(`entry ${foreign.seq} is of another epoch of the cloud than is followed`);
    await this.#parked.load(commit);
    if (await this.#applyLearned(commit, signal)) return 'learned';
    await commit.date(last.committedAt);
    const isPlain = fresh.length === heads.length && this.#parked.size === 0 && !commit.keepsUnknown;
    if (!isPlain || !(await this.#writeStraight(commit, groups, signal))) {
      if (groups.length > 1) return 'apart';
      const entries = groups.flatMap((group) => group.entries()).filter(({ seq }) => seq > cursor.seq);
      const applied = await this.#applyEntries(commit, await commit.keep(joinParts(entries)), signal);
      if (applied) await this.#retryEach(commit, signal);
      await this.#retryTogether(commit, signal);
    }
    await commit.moveCursor(last);
    return { last, keptStamps: await commit.keptStamps() };
  }

  /** What was kept comes before every entry that has not been applied yet, so it has a commit of its own. */
  async #applyLearned(commit: FollowerCommit, signal: AbortSignal): Promise<boolean> {
    const learned = await commit.learned();
    const last = learned.at(-1);
    if (!last) return false;
    await commit.date(last.committedAt);
    await this.#applyEntries(commit, learned, signal);
    return true;
  }

  /**
   * All at once if nothing stands in the way, otherwise in halves, until what cannot be applied stands alone and is parked.
   *
   * @returns whether any was applied.
   */
  async #applyEntries(
    commit: FollowerCommit,
    entries: readonly FeedEntry[],
    signal: AbortSignal,
    early: EarlyAnswers | null = null,
  ): Promise<boolean> {
    const [entry] = entries;
    if (!entry) return true;
    const blocked = entries.some((each) => this.#parked.blocks(rowsOf(each)));
    const refusal = blocked ? waits : await this.#tryApply(commit, entries, signal, early);
    if (refusal === null) return true;
    if (entries.length === 1) {
      await this.#parked.add(commit, entry, refusal.kind, refusal.detail);
      return false;
    }
    const half = Math.ceil(entries.length / 2);
    const first = await this.#applyEntries(commit, entries.slice(0, half), signal, commit.early);
    return (await this.#applyEntries(commit, entries.slice(half), signal, commit.early)) || first;
  }

  async #retryEach(commit: FollowerCommit, signal: AbortSignal): Promise<void> {
    for (let progress = true; progress && this.#parked.size > 0; ) {
      progress = false;
      const before = new Set<string>();
      for (const { entry, rows } of this.#parked.inOrder()) {
        const blocked = rows.some((row) => before.has(row));
        if (!blocked && (await this.#tryApply(commit, [entry], signal, commit.early)) === null) {
          await this.#parked.remove(commit, entry.seq);
          progress = true;
        } else for (const row of rows) before.add(row);
      }
    }
  }

  /**
   * Entries can wait for one another in a circle: one needs a value that a later one frees, which waits behind it for a row
   * that both touch. Once this campus's own rows are judged, all of them together are a state that the cloud has had.
   */
  async #retryTogether(commit: FollowerCommit, signal: AbortSignal): Promise<void> {
    const entries = this.#parked.inOrder().map(({ entry }) => entry);
    if (entries.length < 2 || (await this.#tryApply(commit, entries, signal, null)) !== null) return;
    for (const { seq } of entries) await this.#parked.remove(commit, seq);
  }

  /**
   * @param early Null: waits until the log holds every local commit before it is asked.
   * @returns null if it was applied; otherwise why nothing of it was.
   */
  async #tryApply(
    commit: FollowerCommit,
    entries: readonly FeedEntry[],
    signal: AbortSignal,
    early: EarlyAnswers | null,
  ): Promise<Refusal | null> {
    const { log, onDrift } = this.#options;
    try {
      await commit.rows.attempt(async () => {
        if (early) return early.attempt((attempt) => this.#write(commit, entries, attempt));
        if (await this.#writeStraight(commit, [groupOfEntries(entries)], signal)) return;
        const ask: Attempt['ask'] = (...question) => log.changesSince(...question);
        await this.#write(commit, entries, { ask, drifted: onDrift }, () => this.#options.captured(signal));
      });
      return null;
    } catch (error) {
      const kind = parkedKind(error);
      if (kind === null) throw error;
      return { kind, detail: (error as Error).message };
    }
  }

  async #write(
    commit: FollowerCommit,
    entries: readonly FeedEntry[],
    { ask, drifted }: Attempt,
    whenLocked: () => Promise<void> = async () => {},
  ): Promise<void> {
    const { log } = this.#options;
    const { catalog } = commit;
    const images = new RowImages(commit.rows, catalog);
    const known = (item: { table: string }) => catalog.tables.has(item.table);
    await images.load(entries.flatMap((entry) => [...entry.changes, ...entry.corrections].filter(known)));
    await whenLocked();
    for (const entry of entries) {
      const stamp = stampHere(entry.stamp, log);
      const put = (
        { table, key }: Change | Correction,
        follow: (current: Row | null, own: OwnChanges | null) => FollowResult,
      ) => {
        const result = follow(images.get(table, key), ask(table, key, stamp));
        if (result.kind === 'row') images.set(table, key, result.row);
        else drifted(table, key, entry.seq);
      };
      for (const change of entry.changes.filter(known))
        put(change, (current, own) => followChange(change, current, own));
      for (const correction of entry.corrections.filter(known))
        put(correction, (current, own) => followCorrection(correction, current, own));
    }
    await images.flush();
  }

  /** Where this campus has written nothing that the cloud had not judged, and no row has drifted, no row need be looked at. */
  async #writeStraight(
    { catalog, rows }: CampusCommit,
    groups: readonly FeedGroup[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { log, captured } = this.#options;
    const stamps = groups.flatMap(({ heads }) => heads.map(({ stamp }) => stampHere(stamp, log)));
    const judged = stamps.reduce((least, stamp) => Math.min(least, stamp), Infinity);
    if (log.lastSeq > judged) return false;
    const straightWay = new StraightWay({ catalog, rows, campus: null });
    const plans: StraightPlan[] = [];
    for (const group of groups) {
      const block = group.block();
      const plan = block && straightWay.plan(block);
      if (!plan) return false;
      plans.push(plan);
    }
    const holds = async () => {
      await captured(signal);
      return log.lastSeq <= judged;
    };
    return straightWay.apply(plans, { holds });
  }

  /** Stamps only grow, so that what the oldest entry still to come could ask for bounds what has to be remembered. */
  #forget({ last, keptStamps }: AppliedGroups): void {
    const { log } = this.#options;
    const oldestParked = this.#parked.inOrder()[0]?.entry;
    const open = [last.stamp, ...keptStamps, ...(oldestParked ? [oldestParked.stamp] : [])];
    log.forgetTouches(Math.min(...open.map((stamp) => stampHere(stamp, log))));
  }
}

interface FollowerCommit extends CampusCommit {
  /** Null: every attempt waits for capture. */
  early: EarlyAnswers | null;
}

interface Refusal {
  kind: string;
  detail: string;
}

const waits: Refusal = { kind: 'waits', detail: 'waits for an earlier entry' };

interface AppliedGroups {
  last: FeedHead;
  keptStamps: Stamp[];
}

/** A stamp of another epoch of the log speaks of transactions that this log never had. */
function stampHere(stamp: Stamp, log: OwnLog): number {
  return stamp.epoch === log.epoch ? stamp.seq : 0;
}

/** Why the entry has to wait; null when the error says nothing about the entry. */
function parkedKind(error: unknown): string | null {
  if (error instanceof BrokenReferenceError) return error.problem.kind;
  const { code = '' } = error as { code?: string };
  if (code === '23505') return 'unique_clash';
  return code.startsWith('23') || code.startsWith('22') ? 'check_violated' : null;
}
