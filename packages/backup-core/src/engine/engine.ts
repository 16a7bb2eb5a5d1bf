/**
 * The backups of one site, from the sources to every region, in this order: Postgres hands its WAL to the archive's door; the
 * intake seals it; dumps, bases and the sync log are made when they are due; the spool holds what is sealed; each region's
 * workers bring it what it lacks; the ledger names in the signed manifest what is held; what is safe everywhere leaves the disk.
 *
 * `run` works until its signal aborts, and may be killed at any moment: whatever was said to be safe is, and the rest is done
 * again. It holds no private key, so it can neither read nor verify what it sealed: restore drills do. It removes nothing from
 * a region: `remove` takes objects out of the manifest for retention, which then removes them.
 */
import { randomBytes as systemRandomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SealedObject } from '../format/object.ts';
import type { ManifestKey, TrustedKey } from '../keys/manifest-key.ts';
import type { Recipient } from '../keys/recipient.ts';
import { adoptManifest } from '../manifest/adopt.ts';
import type { Removal } from '../manifest/entry.ts';
import type { ManifestStore } from '../manifest/manifest-store.ts';
import { ManifestWriter } from '../manifest/manifest-writer.ts';
import type { Region } from '../region/region.ts';
import { type Clock, systemClock } from '../schedule/clock.ts';
import { type SchedulePolicy, usualSchedule } from '../schedule/schedule.ts';
import type { SyncLogSource } from '../source/sync-log.ts';
import { archiveCommand, archiveWords, writeArchiveAccess } from '../source/wal/archive-access.ts';
import { WalError } from '../source/wal/errors.ts';
import { openWalInbox, type WalInbox } from '../source/wal/wal-inbox.ts';
import { buildWalReceiver, listenForWal } from '../source/wal/wal-receiver.ts';
import { type SpoolLimits, usualLimits } from '../spool/bounds.ts';
import { Spool } from '../spool/spool.ts';
import { ByteThread } from '../thread/byte-thread.ts';
import { manifestStoreOf } from '../upload/manifest-store.ts';
import { RegionState } from '../upload/region-state.ts';
import { runUploads } from '../upload/upload.ts';
import { CommitWatch } from './commit-watch.ts';
import { BackupError } from './errors.ts';
import type { BackupEvent, Tell } from './events.ts';
import { runIntake, sealSegmentInPlace } from './intake.ts';
import { Jobs, type PostgresSource } from './jobs.ts';
import { learnLive, removeFromManifest, runDelivery, runLedger } from './ledger.ts';
import { Room } from './room.ts';
import { isSealingUrgent, type Sealing } from './sealing.ts';
import { ServerWatch } from './server-watch.ts';
import { standing, statusOf } from './standing.ts';
import type { BackupStatus } from './status.ts';
import { runSurvey } from './survey.ts';

const DAY_MS = 24 * 3_600_000;
const makeRoomMs = 5_000;

export interface EngineOptions {
  readonly site: string;
  /** All that the engine keeps on this disk. */
  readonly folder: string;
  readonly postgres: PostgresSource;
  readonly archive: {
    /** Read by archive_command. */
    readonly accessFile: string;
    /** 0, the default: a free one each time. */
    readonly port?: number;
    /** Who may read the access file, when the server runs as another user. */
    readonly readers?: { readonly uid: number; readonly gid: number };
  };
  /** The administrator's key and the recovery key; asked before each object. */
  readonly recipients: () => readonly Recipient[];
  readonly manifestKey: ManifestKey;
  readonly earlierKeys?: readonly TrustedKey[];
  readonly regions: readonly Region[];
  readonly syncLog?: SyncLogSource | null;
  readonly limits?: SpoolLimits;
  readonly schedule?: SchedulePolicy;
  /** How long regions are to keep each object from being deleted; 0: not at all. */
  readonly lockDays?: number;
  readonly rpoLimitMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly randomBytes?: (count: number) => Uint8Array;
  readonly tell?: Tell;
  /** Takes the chain over from the regions: a person decided that whoever wrote it before writes no more. */
  readonly adopt?: boolean;
}

export interface Engine extends AsyncDisposable {
  readonly archiveCommand: string;
  /** Where drills put `<drill>.json`, by renaming. */
  readonly proofFolder: string;
  /** Ends with the signal. Called once. */
  run(signal: AbortSignal): Promise<void>;
  status(): BackupStatus;
  dumpNow(): Promise<void>;
  baseNow(): Promise<void>;
  syncLogNow(): Promise<void>;
  checkpointNow(): Promise<void>;
  remove(removals: Removal[]): Promise<void>;
  /** Every live object, as the manifest has it. */
  live(): AsyncIterable<{ entry: number; object: SealedObject }>;
  /** The link is back: regions are asked again at once. */
  hurry(): void;
}

export async function openEngine(options: EngineOptions): Promise<Engine> {
  const parts = await openParts(options);
  return new RunningEngine(options, parts);
}

type Parts = Awaited<ReturnType<typeof openParts>>;

async function openParts(options: EngineOptions) {
  const { site, folder, regions, clock = systemClock, random = Math.random } = options;
  if (regions.length === 0) throw new BackupError('BACKUP_NO_REGION', 'No region is named.');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const now = () => clock.now();
  const spool = Spool.open({ folder, regions: regions.map(({ name }) => name), now });
  const lockUntil = () => (options.lockDays ? new Date(clock.now() + options.lockDays * DAY_MS) : undefined);
  const stores = regions.map((region) => manifestStoreOf(region, { folder: spool.fetching, lockUntil }));
  const dir = join(folder, 'manifest');
  const trusted = [{ site, publicKey: options.manifestKey.publicKey }, ...(options.earlierKeys ?? [])];
  if (options.adopt) await adoptManifest({ site, trusted, dir, stores });
  const writer = await ManifestWriter.open({
    site,
    key: options.manifestKey,
    ...(options.earlierKeys && { earlierKeys: options.earlierKeys }),
    dir,
    now: () => new Date(now()),
  });
  await learnLive({ writer, spool });
  const states = regions.map(({ name }) => new RegionState(name, now, random));
  return { spool, writer, stores, states, clock, now, random, lockUntil };
}

class RunningEngine implements Engine {
  readonly archiveCommand: string;
  readonly proofFolder: string;
  readonly #options: EngineOptions;
  readonly #parts: Parts;
  readonly #tell: Tell;
  readonly #room: Room;
  readonly #jobs: Jobs;
  readonly #watch: ServerWatch;
  readonly #commits = new CommitWatch();
  readonly #inbox: WalInbox;
  readonly #thread = new ByteThread();
  readonly #sealing: Sealing;
  readonly #ending = new AbortController();
  readonly #startedAt: number;
  #running: Promise<void> = Promise.resolve();
  #port: number | null = null;
  #walRefused: string | null = null;
  #manifestError: string | null = null;

  constructor(options: EngineOptions, parts: Parts) {
    const { spool, writer, clock, now, random } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#startedAt = clock.now();
    this.#tell = (event) => this.#heard(event);
    this.archiveCommand = archiveCommand(options.archive.accessFile);
    this.proofFolder = join(spool.incoming, 'proof');
    mkdirSync(this.proofFolder, { recursive: true, mode: 0o700 });
    this.#room = new Room(spool, options.limits ?? usualLimits, now, this.#tell);
    const { url } = options.postgres;
    this.#watch = new ServerWatch({
      url,
      archiveCommand: this.archiveCommand,
      spool,
      commits: this.#commits,
      clock,
    });
    this.#inbox = openWalInbox({
      folder: spool.incoming,
      taken: (system, file) => spool.takenSha256(system, file),
      isOurs: (system) => this.#watch.isOurs(system),
      requireRoom: (bytes) => this.#requireRoom(bytes),
      serverUid: options.archive.readers?.uid ?? process.getuid?.(),
      sealInPlace: (segment) => sealSegmentInPlace(this.#sealing, segment, this.#ending.signal),
    });
    const randomBytes = options.randomBytes ?? systemRandomBytes;
    const { site, recipients } = options;
    this.#sealing = {
      site,
      recipients,
      spool,
      now,
      randomBytes,
      tell: this.#tell,
      thread: this.#thread,
      underWay: new Map(),
    };
    this.#jobs = new Jobs({
      sealing: this.#sealing,
      spool,
      writer,
      room: this.#room,
      clock,
      random,
      schedule: options.schedule ?? usualSchedule,
      postgres: options.postgres,
      syncLog: options.syncLog ?? null,
    });
  }

  run(signal: AbortSignal): Promise<void> {
    this.#running = this.#run(signal);
    return this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const until = AbortSignal.any([signal, this.#ending.signal]);
    const { spool, writer, clock } = this.#parts;
    const door = await this.#openDoor();
    const folders = { wal: this.#inbox.folder, proof: this.proofFolder };
    const systemIdentifier = () => this.#watch.systemIdentifier;
    const isSealing = () => isSealingUrgent(this.#sealing);
    const ledger = { writer, spool, clock, tell: this.#tell, isSealing };
    try {
      await Promise.all([
        this.#watch.run(until),
        runIntake({ sealing: this.#sealing, clock, folders, systemIdentifier }, until),
        this.#jobs.run(until),
        runLedger(ledger, until),
        this.#keepRoom(until),
        ...this.#options.regions.map((region, index) => this.#runRegion(region, index, until)),
      ]);
    } finally {
      this.#ending.abort();
      await door.close();
    }
  }

  status(): BackupStatus {
    const { spool, writer, states, clock } = this.#parts;
    const { site, rpoLimitMs = 5 * 60_000 } = this.#options;
    return statusOf(
      standing({
        site,
        now: clock.now(),
        runningSinceMs: this.#startedAt,
        rpoLimitMs,
        spool,
        states,
        entries: writer.head?.number ?? 0,
        room: this.#room.figures(),
        jobs: this.#jobs,
        server: this.#watch.state,
        coveredUntil: (place) => this.#commits.coveredUntil(place),
        archivePort: this.#port,
        walRefused: this.#walRefused,
        manifestError: this.#manifestError,
        keys: this.#options.recipients(),
      }),
    );
  }

  dumpNow(): Promise<void> {
    return this.#jobs.now('dump', 'asked for', this.#ending.signal);
  }

  baseNow(): Promise<void> {
    return this.#jobs.now('base', 'asked for', this.#ending.signal);
  }

  syncLogNow(): Promise<void> {
    return this.#jobs.now('sync-log', 'asked for', this.#ending.signal);
  }

  checkpointNow(): Promise<void> {
    return this.#jobs.now('checkpoint', 'asked for', this.#ending.signal);
  }

  remove(removals: Removal[]): Promise<void> {
    const { spool, writer } = this.#parts;
    return removeFromManifest({ spool, writer }, removals);
  }

  live(): AsyncIterable<{ entry: number; object: SealedObject }> {
    return this.#parts.writer.live();
  }

  hurry(): void {
    for (const state of this.#parts.states) state.hurry();
    this.#parts.spool.changed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#running.catch(() => undefined);
    await this.#thread[Symbol.asyncDispose]();
    this.#parts.spool[Symbol.dispose]();
  }

  async #openDoor() {
    const { accessFile, port = 0, readers } = this.#options.archive;
    const words = archiveWords(accessFile);
    const onRefused = (file: string, error: unknown) =>
      this.#tell({ event: 'wal-refused', file, error: error as Error });
    const server = buildWalReceiver({ inbox: this.#inbox, words, now: this.#parts.now, onRefused });
    this.#port = await listenForWal(server, port);
    writeArchiveAccess(accessFile, words, this.#port, readers);
    return server;
  }

  async #runRegion(region: Region, index: number, signal: AbortSignal): Promise<void> {
    const { spool, writer, clock, random, lockUntil, stores, states } = this.#parts;
    const state = states[index] as RegionState;
    const store = stores[index] as ManifestStore;
    const others = this.#options.regions.filter((other) => other !== region);
    const events = {
      stored: (name: string, object: SealedObject) => this.#tell({ event: 'stored', region: name, object }),
      trouble: (name: string, { code, message }: { code: string; message: string }) =>
        this.#tell({ event: 'region-trouble', region: name, code, message }),
      recovered: (name: string) => this.#tell({ event: 'region-recovered', region: name }),
      failed: (name: string, object: string, error: Error) =>
        this.#tell({ event: 'object-failed', region: name, name: object, error }),
    };
    await Promise.all([
      runSurvey({ region, site: this.#options.site, spool, state, clock }, signal),
      runUploads({ region, others, spool, state, clock, random, lockUntil, events }, signal),
      runDelivery({ writer, spool, clock, tell: this.#tell, store, state }, signal),
    ]);
  }

  async #requireRoom(walBytes: number): Promise<void> {
    if (this.#room.hasRoom(walBytes)) return;
    await this.#room.makeRoom();
    if (!this.#room.hasRoom(walBytes)) throw new WalError('WAL_SPOOL_FULL', 'The spool is full.');
  }

  async #keepRoom(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#room.makeRoom();
      await this.#parts.clock.sleep(makeRoomMs, signal);
    }
  }

  #heard(event: BackupEvent): void {
    if (event.event === 'wal-refused')
      this.#walRefused = isOperators(event.error) ? event.error.message : null;
    if (event.event === 'sealed' && event.object.kind === 'wal') this.#walRefused = null;
    if (event.event === 'manifest-failed') this.#manifestError = event.error.message;
    if (event.event === 'listed') this.#manifestError = null;
    this.#options.tell?.(event);
  }
}

/** What Postgres hands over again, and may be taken then, is nobody's business. */
function isOperators(error: Error): boolean {
  return error instanceof WalError && ['WAL_DIFFERENT', 'WAL_FOREIGN', 'WAL_REFUSED'].includes(error.code);
}
