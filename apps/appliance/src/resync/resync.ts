/**
 * Resync compares every row of this campus with the cloud's and brings together what differs, while both keep working. One
 * mechanism for three uses: on demand (everything, one table, chosen rows), whenever the box itself has reason to doubt (a
 * lost slot, a lost log, a restored cloud), and as the daily proof that both sides are equal.
 *
 * One run at a time: whoever starts a second is shown the first. A run outlives crashes and cuts; it waits for the link,
 * goes on where it stopped, and ends only when it is done, cancelled, or refused for good. A plan is the same comparison
 * without the repair, and leaves nothing behind.
 *
 * It does not promise that rows stay equal, and it leaves alone what somebody is writing at that moment.
 */
import { randomUUID } from 'node:crypto';
import type { Catalog } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { type CarryOutContext, carryOut, decidedDifferences, sharedTables } from './carry-out.ts';
import { countRows } from './compare.ts';
import type { ResyncMode } from './difference.ts';
import { ResyncError } from './errors.ts';
import { LineMeter, type Pause } from './line-meter.ts';
import { addToPlan, emptyTable, type PlanTable, sumUp } from './plan.ts';
import { nextProofAt } from './proof-time.ts';
import type { OwnLog } from './repair.ts';
import type { Plan, Proof, ResyncReport, ResyncRequest, Selection } from './report.ts';
import { meteredRelay, type Post } from './resync-relay.ts';
import { ResyncStore, type StoredRun } from './resync-store.ts';

export interface ResyncOptions {
  database: Pool;
  catalog(): Catalog;
  post: Post;
  log: OwnLog;
  /** Resolves when every local commit before the call is in the log. */
  captured(signal: AbortSignal): Promise<void>;
  /** Resolves when every local commit before the call is acknowledged by the cloud. */
  drained(signal: AbortSignal): Promise<void>;
  /** `HH:MM`; null: no daily proof. */
  proofAt: string | null;
  logger: Logger;
  nowMs(): number;
  random(): number;
  pause: Pause;
}

const minRetryDelayMs = 1_000;
const maxRetryDelayMs = 30_000;
/** How often the feed is looked at while a barrier waits for it. */
const feedPollMs = 25;

/** What the relay refuses for good: asking again would be refused again. */
const permanentRefusals = new Set(['REQUEST_INVALID', 'NOT_FOUND']);

interface ActiveRun extends StoredRun {
  cancel: AbortController;
}

export class Resync {
  readonly #options: ResyncOptions;
  readonly #store: ResyncStore;
  #active: ActiveRun | null = null;
  #last: ResyncReport | null = null;
  #proof: Proof | null = null;
  #campus = '';
  #started: PromiseWithResolvers<void> = Promise.withResolvers();
  #beginning: Promise<ResyncReport> | null = null;
  #planning = false;

  constructor(options: ResyncOptions) {
    this.#options = options;
    this.#store = new ResyncStore(options.database);
  }

  /** The run under way, or the last one since ever. */
  get report(): ResyncReport | null {
    return this.#active?.report ?? this.#last;
  }

  /** What the last comparison of everything found. */
  get proof(): Proof | null {
    return this.#proof;
  }

  /** Takes up what a crash left, carries out what is asked for, and proves daily, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const round = new AbortController();
      const until = AbortSignal.any([signal, round.signal]);
      try {
        const { preparedAtMs } = await this.#load();
        await Promise.all([this.#carryOutAll(until), this.#prove(preparedAtMs, until)]);
      } catch (error) {
        if (!signal.aborted) this.#options.logger.warn({ err: error }, 'resync stopped, starts again');
      } finally {
        round.abort();
      }
      await this.#pause(minRetryDelayMs, signal);
    }
  }

  /**
   * Starts a run, or attaches to the one under way.
   *
   * @throws ResyncError
   */
  async start(request: ResyncRequest, reason = 'manual'): Promise<ResyncReport> {
    if (this.#active) return this.#active.report;
    this.#beginning ??= this.#begin(request, reason).finally(() => {
      this.#beginning = null;
    });
    return this.#beginning;
  }

  /**
   * The box itself has reason to doubt that it is equal: everything is compared as soon as it can be. A run that has begun
   * to compare may have passed what is doubted, so this one waits its turn, also through a crash. May be called before the
   * first copy is complete.
   */
  async request(reason: string, mode: ResyncMode = 'policy'): Promise<ResyncReport> {
    const request = { table: null, keys: null, mode, throttleBytesPerSecond: null };
    const waiting = (await this.#store.queued(request))?.report;
    if (waiting) return waiting;
    const report = this.#newReport(request, reason);
    await this.#store.begin({ request, report, tablesDone: [] }, 'queued');
    await this.#takeNext();
    return report;
  }

  /** @returns the report of what was cancelled; null when nothing was under way. What is repaired stays repaired. */
  cancel(): ResyncReport | null {
    this.#active?.cancel.abort(new Error('cancelled'));
    return this.#active?.report ?? null;
  }

  /** @throws ResyncError, or what kept it from asking the relay: a plan is not tried again by itself. */
  async plan(selection: Selection, mode: ResyncMode, signal: AbortSignal): Promise<Plan> {
    this.#check(selection);
    if (this.#active || this.#planning) throw new ResyncError('RESYNC_RUNNING', 'A resync is under way.');
    this.#planning = true;
    try {
      const { campus, ready } = await this.#store.site();
      if (!ready) throw new ResyncError('RESYNC_NOT_READY', 'The box does not hold a first copy yet.');
      this.#campus = campus;
      return await this.#makePlan({ ...selection, mode, throttleBytesPerSecond: null }, signal);
    } finally {
      this.#planning = false;
    }
  }

  async #makePlan(request: ResyncRequest, signal: AbortSignal): Promise<Plan> {
    const context = this.#context(request);
    const tables: PlanTable[] = [];
    await context.barrier(signal);
    for (const shared of await sharedTables(context, request, signal)) {
      const rows = request.keys?.length ?? (await countRows(context.database, shared.table));
      const table = emptyTable(shared.table.name, rows);
      for await (const part of decidedDifferences(context, request, shared, rows, signal))
        for (const difference of part) addToPlan(table, difference);
      tables.push(table);
    }
    return sumUp(request.mode, tables, context.meter);
  }

  async #begin(request: ResyncRequest, reason: string): Promise<ResyncReport> {
    this.#check(request);
    const { ready } = await this.#store.site();
    if (!ready) throw new ResyncError('RESYNC_NOT_READY', 'The box does not hold a first copy yet.');
    let run = await this.#store.running();
    if (!run) {
      run = { request, report: this.#newReport(request, reason), tablesDone: [] };
      await this.#store.begin(run, 'running');
      this.#options.logger.info({ reason, mode: request.mode, table: request.table }, 'resync begins');
    }
    return this.#activate(run).report;
  }

  #activate(run: StoredRun): ActiveRun {
    this.#active ??= { ...run, cancel: new AbortController() };
    this.#started.resolve();
    return this.#active;
  }

  async #load(): Promise<{ preparedAtMs: number }> {
    const { campus, preparedAtMs } = await this.#store.site();
    this.#campus = campus;
    this.#proof = await this.#store.proof();
    this.#last = (await this.#store.last())?.report ?? null;
    await this.#takeNext();
    return { preparedAtMs };
  }

  /** What a crash left, or what waits. */
  async #takeNext(): Promise<void> {
    const next = this.#active || this.#beginning ? null : await this.#store.running();
    if (next) this.#activate(next);
    else if (!this.#active && !this.#beginning) {
      const waited = await this.#store.promote();
      if (waited) this.#activate(waited);
    }
  }

  async #carryOutAll(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => aborted.resolve(), { once: true });
    while (!signal.aborted) {
      if (this.#active) await this.#persevere(this.#active, signal);
      else {
        this.#started = Promise.withResolvers();
        await Promise.race([this.#started.promise, aborted.promise]);
      }
    }
  }

  /** Until it is over: every failure that may pass is followed by another attempt. */
  async #persevere(run: ActiveRun, signal: AbortSignal): Promise<void> {
    const { report, request } = run;
    const limit = AbortSignal.any([signal, run.cancel.signal]);
    const context = this.#context(request, report.bytes);
    for (let failures = 0; ; ) {
      try {
        report.step = 'waiting';
        const tablesDone = (await this.#store.running())?.tablesDone ?? [];
        await carryOut(context, request, report, tablesDone, limit);
        report.problem = null;
        return await this.#end(run, 'done');
      } catch (error) {
        if (signal.aborted) return;
        if (run.cancel.signal.aborted) return await this.#end(run, 'cancelled');
        report.problem = (error as Error).message;
        if (permanentRefusals.has((error as { code?: string }).code ?? ''))
          return await this.#end(run, 'failed');
        this.#options.logger[failures === 0 ? 'warn' : 'debug'](
          { err: error },
          'resync was broken off, goes on shortly',
        );
      }
      await this.#pause(Math.min(maxRetryDelayMs, minRetryDelayMs * 2 ** failures++), limit);
    }
  }

  /** Until it is written down that it is over, whoever starts another is shown this one. */
  async #end(run: ActiveRun, state: ResyncReport['state']): Promise<void> {
    const finishedAt = new Date(this.#options.nowMs()).toISOString();
    const over = { step: 'finished', table: null, etaSeconds: null, finishedAt } as const;
    const report: ResyncReport = { ...run.report, ...over, state };
    await this.#store.note(report);
    this.#proof = await this.#store.proof();
    this.#last = report;
    this.#active = null;
    await this.#takeNext();
    const { differences, remaining, rowsCompared, bytes, problem } = report;
    this.#options.logger.info(
      { state, rowsCompared, differences, remaining, bytes, problem },
      'resync is over',
    );
  }

  async #prove(preparedAtMs: number, signal: AbortSignal): Promise<void> {
    const { proofAt, nowMs, random } = this.#options;
    while (proofAt !== null && !signal.aborted) {
      const lastMs = this.#proof ? Date.parse(this.#proof.at) : preparedAtMs;
      const dueMs = nextProofAt(proofAt, lastMs, nowMs(), random());
      await this.#pause(dueMs - nowMs(), signal);
      if (signal.aborted) return;
      await this.request('proof');
      while (this.#active && !signal.aborted) await this.#pause(maxRetryDelayMs, signal);
    }
  }

  #context(request: ResyncRequest, bytesBefore = 0): CarryOutContext {
    const { database, catalog, post, log, captured, nowMs, pause } = this.#options;
    const meter = new LineMeter(request.throttleBytesPerSecond, nowMs, pause, bytesBefore);
    const relay = meteredRelay(post, meter);
    return {
      database,
      catalog: catalog(),
      campus: this.#campus,
      relay,
      store: this.#store,
      meter,
      log,
      captured,
      nowMs,
      barrier: (signal) => this.#barrier(relay, signal),
    };
  }

  async #barrier(relay: CarryOutContext['relay'], signal: AbortSignal): Promise<void> {
    const { database, drained } = this.#options;
    await drained(signal);
    const { epoch, feedSeq } = await relay.mark(signal);
    for (;;) {
      const { rows } = await database.query<{ epoch: string; seq: string }>(
        'SELECT epoch, seq FROM sync.cursor',
      );
      if (rows[0]?.epoch !== epoch) throw new Error('the cloud has another epoch than this campus follows');
      if (Number(rows[0].seq) >= feedSeq) return;
      signal.throwIfAborted();
      await this.#pause(feedPollMs, signal);
    }
  }

  #check({ table: name, keys }: Selection): void {
    const table = name === null ? null : this.#options.catalog().tables.get(name);
    if (table === undefined)
      throw new ResyncError('RESYNC_TABLE_UNKNOWN', `The sync map does not name ${name}.`);
    if (!keys) return;
    const columns = table?.keyColumns;
    if (!columns) throw new ResyncError('RESYNC_KEY_INVALID', 'A key says nothing without its table.');
    const fits = (key: object) => Object.keys(key).sort().join() === columns.join();
    if (!keys.every(fits))
      throw new ResyncError('RESYNC_KEY_INVALID', `The key of ${name} is (${columns.join(', ')}).`);
  }

  #newReport({ mode }: ResyncRequest, reason: string): ResyncReport {
    return {
      id: randomUUID(),
      reason,
      mode,
      state: 'running',
      step: 'waiting',
      startedAt: new Date(this.#options.nowMs()).toISOString(),
      finishedAt: null,
      table: null,
      tables: 0,
      tablesDone: 0,
      rowsCompared: 0,
      rowsTotal: 0,
      differences: 0,
      repaired: 0,
      remaining: null,
      bytes: 0,
      etaSeconds: null,
      problem: null,
    };
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#options.pause(Math.max(0, ms), signal).catch(() => {});
  }
}
