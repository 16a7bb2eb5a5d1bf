/**
 * Runs of the sync log made ready to be sent, ahead of time: while there is no link, and while a batch is on its way. A run is
 * kept until it is acknowledged, so that what has to be sent again need not be made again. What is kept is bounded; beyond that,
 * runs are made when they are needed.
 */
import { bootsNamed } from '@skooly-edge/sync-protocol';

/** What making runs needs of the sync log. */
export interface RunSource {
  readonly epoch: string;
  /** The last seq that the cloud has said it applied. */
  readonly acknowledged: number;
  /** Transactions after `seq`, up to the limits, but at least one; null when there is none. */
  read(
    seq: number,
    maxBytes: number,
    maxTransactions: number,
  ): { lines: string[]; bytes: number; lastSeq: number } | null;
}

export interface ReadyRun<Packed> {
  /** The transaction that it follows. */
  after: number;
  lastSeq: number;
  /** Of the transactions in the log, before they were packed. */
  bytes: number;
  /** The boots that the transactions name. */
  boots: ReadonlySet<string>;
  packed: Packed;
}

/** Blocks as they are sent, whose lengths tell what they take in memory. */
export type PackedBlocks = readonly { readonly length: number }[];

/** Uncompressed: what a link of 256 kbit/s carries in about three seconds. Smaller runs compress less. */
const runBytes = 1024 * 1024;
const maxRunTransactions = 2_000;

/** A kept run that is so many times larger than what may be sent is made anew, smaller. */
const tooLarge = 2;

/** Bytes that are kept ready, as they are sent: about a million changes, and what a link of 256 kbit/s carries in ten minutes. */
const maxReadyBytes = 20 * 1024 * 1024;

export class ReadyRuns<Packed extends PackedBlocks> {
  readonly #log: RunSource;
  readonly #pack: (lines: readonly string[]) => Promise<Packed>;
  readonly #maxReadyBytes: number;
  #epoch = '';
  #runs: ReadyRun<Packed>[] = [];
  #making: Promise<unknown> = Promise.resolve();

  constructor(
    log: RunSource,
    pack: (lines: readonly string[]) => Promise<Packed>,
    readyBytes = maxReadyBytes,
  ) {
    this.#log = log;
    this.#pack = pack;
    this.#maxReadyBytes = readyBytes;
  }

  /**
   * The runs that follow `after`, of `maxBytes` together, but at least one.
   *
   * @returns none when the log ends there.
   */
  take(after: number, maxBytes: number): Promise<ReadyRun<Packed>[]> {
    return this.#alone(async () => {
      this.#forget();
      const taken: ReadyRun<Packed>[] = [];
      let bytes = 0;
      for (let at = after; ; ) {
        const left = maxBytes - bytes;
        const isWorthMaking = taken.length === 0 || left >= runBytes / 2;
        const run = this.#fitting(at, left) ?? (isWorthMaking ? await this.#make(at, left) : null);
        if (!run || (taken.length > 0 && run.bytes > left)) return taken;
        taken.push(run);
        at = run.lastSeq;
        bytes += run.bytes;
        if (bytes >= maxBytes) return taken;
      }
    });
  }

  /** Makes whole runs ready behind `after`, of `maxBytes` each if so much is worth it, as many as may be kept or until the signal aborts. */
  async fill(after: number, signal: AbortSignal, maxBytes = runBytes): Promise<void> {
    for (let at = after; !signal.aborted; ) {
      const next = await this.#alone(async () => {
        this.#forget();
        const kept = this.#runs.findLast((run) => run.after >= at);
        const end = kept?.lastSeq ?? at;
        if (this.#readyBytes >= this.#maxReadyBytes) return null;
        return (await this.#make(end, maxBytes, true))?.lastSeq ?? null;
      });
      if (next === null) return;
      at = next;
    }
  }

  get #readyBytes(): number {
    return this.#runs.flatMap(({ packed }) => packed).reduce((sum, { length }) => sum + length, 0);
  }

  /** What is acknowledged is not needed again; what belongs to another log, or to this one before it was turned back, never was. */
  #forget(): void {
    const { epoch, acknowledged } = this.#log;
    if (epoch !== this.#epoch) this.#runs = [];
    this.#epoch = epoch;
    this.#runs = this.#runs.filter((run) => run.lastSeq > acknowledged);
  }

  #fitting(after: number, maxBytes: number): ReadyRun<Packed> | undefined {
    const run = this.#runs.find((kept) => kept.after === after);
    if (run && run.bytes > maxBytes * tooLarge) return undefined;
    return run;
  }

  async #make(after: number, maxBytes: number, onlyFull = false): Promise<ReadyRun<Packed> | null> {
    const limit = Math.min(maxBytes, runBytes);
    // What is kept behind it stays of use.
    const next = this.#runs.find((kept) => kept.after > after);
    const maxTransactions = Math.min(maxRunTransactions, next ? next.after - after : Infinity);
    const slice = this.#log.read(after, limit, maxTransactions);
    if (!slice) return null;
    const { lines, bytes, lastSeq } = slice;
    const isFull = bytes >= limit / 2 || lines.length === maxRunTransactions;
    if (onlyFull && !isFull) return null;
    const run = { after, lastSeq, bytes, boots: bootsNamed(lines), packed: await this.#pack(lines) };
    this.#runs = [...this.#runs.filter((kept) => kept.lastSeq <= after || kept.after >= lastSeq), run];
    this.#runs.sort((a, b) => a.after - b.after);
    return run;
  }

  /** One at a time makes runs, whoever asked first. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#making.then(work);
    this.#making = result.catch(() => {});
    return result;
  }
}
