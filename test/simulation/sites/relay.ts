/**
 * A relay over the cloud's model database: the engine's own ingest, feed builder and retry of parked transactions, in a process
 * that may be killed at any effect and is started again. What it knows afterwards is what the database holds.
 */
import {
  type Batch,
  type BatchHeader,
  type CapturedTransaction,
  type Catalog,
  type CorrectedMessage,
  conflictTable,
  correctedMessage,
  encodeFeedBlock,
  entryOfRow,
  type FeedColumns,
  packed,
  type Row,
  type Table,
  type Transaction,
} from '@skooly-edge/sync-protocol';
import type { PieceColumns } from '../../../apps/appliance/src/pull/pieces.ts';
import { RelayError } from '../../../apps/cloud-relay/src/errors.ts';
import { FeedBuilder, type FeedCommit } from '../../../apps/cloud-relay/src/feed/feed-builder.ts';
import {
  learnOwners,
  noOwners,
  type Owners,
  type RowReader,
} from '../../../apps/cloud-relay/src/feed/owners.ts';
import type { CloudStore } from '../../../apps/cloud-relay/src/ingest/cloud-store.ts';
import { Ingest, type PushResult } from '../../../apps/cloud-relay/src/ingest/ingest.ts';
import { visibleTo } from '../../../apps/cloud-relay/src/ingest/owner.ts';
import { retryParked } from '../../../apps/cloud-relay/src/ingest/retry-parked.ts';
import type { FeedSeal } from '../../../apps/cloud-relay/src/restore/feed-seal.ts';
import {
  type RestorePoint,
  type ReturnedBlock,
  type ReturnedEntry,
  Salvage,
} from '../../../apps/cloud-relay/src/restore/salvage.ts';
import type { Database } from '../database/database.ts';
import { inTransaction, Session } from '../database/session.ts';
import type { Transaction as OpenTransaction } from '../database/transaction.ts';
import type { Chance } from '../world/chance.ts';
import { Process } from '../world/process.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { type CaptureSink, isDatabaseTrouble, ModelCapture } from './capture.ts';
import { isRestartable, ModelCloud } from './cloud-store.ts';
import { isApply, theOne } from './engine-tables.ts';

export interface RelayOptions {
  database: Database;
  catalog: Catalog;
  scheduler: Scheduler;
  chance: Chance;
  /** Of one part of a large commit. */
  maxPartChanges: number;
  /** Faults that are planted through the seams. */
  wrap: RelayWrap;
}

/** Where a deliberate bug can be put in without touching the engine. */
export interface RelayWrap {
  store(store: CloudStore, process: Process, database: Database): CloudStore;
  feedSink(sink: CaptureSink): CaptureSink;
  isApply(origin: string): boolean;
}

export const soundRelay: RelayWrap = { store: (store) => store, feedSink: (sink) => sink, isApply };

export interface FeedAnswer {
  pieces: PieceColumns[];
  upToDate: boolean;
  /** The cloud's epoch. */
  epoch: string;
}

export interface SyncAnswer extends PushResult {
  epoch: string;
}

/** Nobody forges here: that seals hold is for the tests of the seal. */
const believing: FeedSeal = {
  seal: () => '',
  fits: () => true,
  sealBlock: () => '',
  fitsBlock: () => true,
};

const maxFeedRows = 6;
const holdUs = 5_000_000;
const visiblePollUs = 2_000;
const gatherUs = 250_000;
const retryDelayUs = 2_000_000;

export class Relay {
  readonly #options: RelayOptions;
  #process: Process | null = null;
  #ingest: Ingest | null = null;
  #store: CloudStore | null = null;
  #salvage: Salvage | null = null;
  #readers = new Set<() => void>();
  #capture: ModelCapture | null = null;
  #lives = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  get process(): Process | null {
    return this.#process;
  }

  /** Everything that the cloud committed before this position is in the feed. */
  get capturedLsn(): number {
    return this.#capture?.durable ?? 0;
  }

  get running(): boolean {
    return this.#process?.alive ?? false;
  }

  /** Does nothing while it runs. */
  start(): void {
    if (this.running) return;
    const { scheduler, chance, database, catalog, wrap } = this.#options;
    const process = new Process(`relay ${++this.#lives}`, scheduler, chance);
    this.#process = process;
    this.#readers = new Set();
    const now = () => new Date(Math.floor(scheduler.nowUs / 1000));
    this.#store = wrap.store(new ModelCloud(process, database, catalog), process, database);
    this.#ingest = new Ingest({ store: this.#store, now });
    this.#salvage = new Salvage({ store: this.#store, seal: believing, now });
    const keeper = new ParkedKeeper(this.#store, process, this.#options);
    void keeper.run();
    void this.#writeFeed(process, keeper);
  }

  sync(campus: string, epoch: string): Promise<SyncAnswer> | null {
    return this.#handle(async (process) => {
      const { database } = this.#options;
      return inTransaction(process, database, (session) =>
        session.run((transaction) => {
          const [cursor] = transaction.read('sync.cursor', [{ campus, epoch }]);
          const parked = transaction.all('sync.parked').filter(({ row }) => row.campus === campus).length;
          const [site] = transaction.read('sync.site', [theOne]);
          const seq = Number(cursor?.row.seq ?? 0);
          return { epoch: site?.row.epoch ?? '', cursor: { epoch, seq }, conflicts: 0, parked };
        }),
      );
    });
  }

  push(campus: string, header: BatchHeader, lines: readonly string[]): Promise<PushResult> | null {
    const transactions = lines.map((line) => JSON.parse(line) as Transaction);
    const batch: Batch = { ...header, blocks: [packed(transactions)] };
    return this.#handle(() => (this.#ingest as Ingest).push(campus, batch));
  }

  restorePoint(campus: string, epochs: readonly string[]): Promise<RestorePoint> | null {
    return this.#handle(() => (this.#salvage as Salvage).point(campus, epochs));
  }

  giveBack(campus: string, epoch: string, lines: readonly string[]): Promise<RestorePoint> | null {
    const returned = lines.map((line) => JSON.parse(line) as ReturnedEntry | ReturnedBlock);
    return this.#handle(() => (this.#salvage as Salvage).giveBack(campus, epoch, returned));
  }

  /** Tells a campus what the cloud has of a row, as the resync route does. */
  correct(campus: string, table: Table, key: Row): Promise<void> | null {
    return this.#handle(() =>
      (this.#store as CloudStore).commit(async ({ rows, emit }) => {
        const [row] = await rows.lock(table, [key], 'share');
        const visible = await visibleTo(campus, rows, table, row);
        const corrections = [{ table: table.name, key, row: visible }];
        await emit(correctedMessage, { campus, corrections } satisfies CorrectedMessage);
      }),
    );
  }

  /** Entries behind `after`, if need be as blocks; held for a while when there are none. */
  feed(campus: string, after: number, blocks: boolean): Promise<FeedAnswer> | null {
    return this.#handle(async (process) => {
      const found = await this.#readFeed(process, campus, after, blocks);
      if (found.pieces.length > 0) return found;
      const grown = new Promise<void>((resolve) => {
        this.#readers.add(resolve);
        this.#options.scheduler.after(holdUs, resolve);
      });
      await process.see(grown);
      return this.#readFeed(process, campus, after, blocks);
    });
  }

  #handle<T>(work: (process: Process) => Promise<T>): Promise<T> | null {
    const process = this.#process;
    if (!process?.alive) return null;
    return (async () => {
      await process.step();
      try {
        return await work(process);
      } catch (error) {
        if (isDatabaseTrouble(error) || isRestartable(error))
          throw new RelayError('DATABASE_UNAVAILABLE', 'The database does not answer.', {}, { cause: error });
        throw error;
      }
    })();
  }

  #readFeed(process: Process, campus: string, after: number, blocks: boolean): Promise<FeedAnswer> {
    return inTransaction(process, this.#options.database, (session) =>
      session.run((transaction) => {
        const rows = transaction
          .all('sync.feed')
          .map(({ row }) => row)
          .filter((row) => row.campus === campus && Number(row.seq) > after)
          .sort((a, b) => Number(a.seq) - Number(b.seq));
        const epoch = transaction.read('sync.site', [theOne])[0]?.row.epoch ?? '';
        const found = rows.slice(0, maxFeedRows) as FeedColumns[];
        return { pieces: blocks ? asBlocks(found) : found, upToDate: rows.length <= maxFeedRows, epoch };
      }),
    );
  }

  async #writeFeed(process: Process, keeper: ParkedKeeper): Promise<void> {
    const { scheduler, database, chance, catalog, wrap } = this.#options;
    for (;;) {
      try {
        const state = await inTransaction(process, database, (session) => session.run(readFeedState));
        const builder = new FeedBuilder({
          ...state,
          catalog: { current: catalog },
          isApply: wrap.isApply,
          seal: () => '',
        });
        const store = new ModelFeed(process, database);
        const unseen: number[] = [];
        const reader = modelReader(process, database, unseen);
        const sink: CaptureSink = {
          append: async (transactions) => {
            unseen.push(...transactions.flatMap(({ xid }) => xid ?? []));
            for (const run of runs(transactions)) {
              const owners = new Map<CapturedTransaction, Owners>();
              for (const transaction of run)
                owners.set(transaction, await learnOwners(transaction, catalog, reader));
              const commit = builder.build(run, (transaction) => owners.get(transaction) ?? noOwners);
              if (commit && (await store.write(commit))) this.#wakeReaders();
            }
            keeper.touched(transactions);
          },
        };
        const capture = new ModelCapture({
          process,
          database,
          scheduler,
          chance,
          sink: wrap.feedSink(sink),
          skipOrigin: () => false,
          maxPartChanges: this.#options.maxPartChanges,
        });
        this.#capture = capture;
        await capture.stream().finally(() => store.close());
      } catch (error) {
        if (!isDatabaseTrouble(error)) scheduler.fail(error);
      }
      await process.sleep(retryDelayUs / 4);
    }
  }

  #wakeReaders(): void {
    const readers = this.#readers;
    this.#readers = new Set();
    for (const wake of readers) wake();
  }
}

/** What follows of one epoch is a block. */
function asBlocks(rows: readonly FeedColumns[]): PieceColumns[] {
  const runs = new Map<string, FeedColumns[]>();
  for (const row of rows) runs.set(row.epoch, [...(runs.get(row.epoch) ?? []), row]);
  return [...runs].map(([epoch, run]) => {
    const block = encodeFeedBlock(run.map(entryOfRow)).toString('base64');
    return { epoch, block, seal: '' };
  });
}

/** Writes the feed; a commit that comes in parts is one transaction until its end. The counterpart of `feed-store.ts`. */
class ModelFeed {
  readonly #session: Session;
  #open = false;

  constructor(process: Process, database: Database) {
    this.#session = new Session(process, database);
  }

  close(): void {
    this.#session.rollback();
  }

  /** @returns whether it is visible now. */
  async write({ rows, more, followers, position }: FeedCommit): Promise<boolean> {
    const session = this.#session;
    try {
      if (!this.#open) await session.begin();
      this.#open = true;
      await session.run(async (open) => {
        for (const row of rows) await open.insert('sync.feed', feedRow(row));
      });
      if (more) return false;
      await session.run(async (open) => {
        for (const { campus, feedSeq, stampEpoch, stampSeq } of followers) {
          const values = { feed_seq: String(feedSeq), stamp_epoch: stampEpoch, stamp_seq: String(stampSeq) };
          if (!(await open.update('sync.follower', { campus }, values)))
            await open.insert('sync.follower', { campus, ...values });
        }
      });
      await session.run((open) => open.update('sync.feed_position', theOne, { lsn: String(position) }));
      await session.commit();
      this.#open = false;
      return true;
    } catch (error) {
      session.rollback();
      throw error;
    }
  }
}

/** Tries parked transactions again when what they wait for changes, as the relay's keeper does. */
class ParkedKeeper {
  readonly #store: CloudStore;
  readonly #process: Process;
  readonly #options: RelayOptions;
  readonly #touched = new Set<string>();
  #everything = true;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(store: CloudStore, process: Process, options: RelayOptions) {
    this.#store = store;
    this.#process = process;
    this.#options = options;
  }

  touched(transactions: readonly CapturedTransaction[]): void {
    for (const { changes } of transactions) for (const { table } of changes) this.#touched.add(table);
    if (this.#touched.size > 0) this.#wake.resolve();
  }

  async run(): Promise<void> {
    this.#wake.resolve();
    for (;;) {
      await this.#process.see(this.#wake.promise);
      await this.#process.sleep(gatherUs);
      this.#wake = Promise.withResolvers();
      try {
        await this.#retry();
      } catch (error) {
        if (!isDatabaseTrouble(error) && !isRestartable(error)) this.#options.scheduler.fail(error);
        this.#everything = true;
        this.#wake.resolve();
        await this.#process.sleep(retryDelayUs);
      }
    }
  }

  async #retry(): Promise<void> {
    const { database, scheduler } = this.#options;
    const everything = this.#everything;
    const touched = new Set(this.#touched);
    this.#everything = false;
    this.#touched.clear();
    const waitsFor = (row: Row) => JSON.parse(row.waits_for ?? '[]') as string[];
    const due = await inTransaction(this.#process, database, (session) =>
      session.run((open) => {
        const decided = new Set(
          touched.has(conflictTable)
            ? open.all(conflictTable).flatMap(({ row }) => (row.status === 'decided' ? [row.id] : []))
            : [],
        );
        return open
          .all('sync.parked')
          .filter(
            ({ row }) =>
              everything ||
              decided.has(row.conflict_id ?? '') ||
              waitsFor(row).some((table) => touched.has(table)),
          )
          .map(({ row }) => row.campus ?? '');
      }),
    );
    const now = new Date(Math.floor(scheduler.nowUs / 1000));
    const isDue = (parked: { waitsFor: readonly string[] }) =>
      everything || parked.waitsFor.some((table) => touched.has(table));
    for (const campus of new Set(due)) await retryParked(this.#store, campus, isDue, now);
  }
}

/** Whole transactions together; a part of one, and its end, by itself. */
function runs(transactions: readonly CapturedTransaction[]): CapturedTransaction[][] {
  const result: CapturedTransaction[][] = [];
  for (const transaction of transactions) {
    const last = result.at(-1);
    if (transaction.part === undefined && last?.[0]?.part === undefined && last) last.push(transaction);
    else result.push([transaction]);
  }
  return result;
}

function modelReader(process: Process, database: Database, unseen: number[]): RowReader {
  const read = async <T>(question: (open: OpenTransaction) => T) => {
    while (unseen.some((xid) => database.isInvisible(xid))) await process.sleep(visiblePollUs);
    unseen.length = 0;
    return inTransaction(process, database, (session) => session.run(question));
  };
  return {
    byKey: (table, keys) => read((open) => open.read(table.name, keys).map(({ row }) => row)),
    byColumn: (table, column, value) =>
      read((open) =>
        open
          .all(table.name)
          .map(({ row }) => row)
          .filter((row) => row[column] === value),
      ),
  };
}

function readFeedState(open: OpenTransaction) {
  const [position] = open.read('sync.feed_position', [theOne]);
  const [site] = open.read('sync.site', [theOne]);
  return {
    position: Number(position?.row.lsn ?? 0),
    epoch: site?.row.epoch ?? '',
    followers: open.all('sync.follower').map(({ row }) => ({
      campus: row.campus ?? '',
      feedSeq: Number(row.feed_seq),
      stampEpoch: row.stamp_epoch ?? '',
      stampSeq: Number(row.stamp_seq),
    })),
  };
}

function feedRow(row: FeedCommit['rows'][number]): Row {
  return {
    campus: row.campus,
    seq: String(row.seq),
    epoch: row.epoch,
    stamp_epoch: row.stampEpoch,
    stamp_seq: String(row.stampSeq),
    committed_at: String(row.committedAt),
    lsn: String(row.lsn),
    body: row.body,
    seal: row.seal,
  };
}
