/**
 * The box's idea of time. It gives each captured commit its boot and its monotonic time; learns from every signed answer of
 * the cloud when the boot really began; and tells, for a batch that is pushed, what is known of the boots in it. So a wall clock
 * that jumps, or starts in 1970, is corrected afterwards, in the cloud, for as long as the boot lasts in which the link came back.
 *
 * It does not set the machine's clock, and nothing is authenticated by it. A boot that ended without ever meeting the cloud
 * stays without a base: only bounds are known, and the cloud asks a person where the order matters.
 */
import type { BootTimes } from '@skooly-edge/sync-protocol';
import { bootTimes } from './boot-times.ts';
import type { ClockFile } from './clock-file.ts';
import type { Machine } from './machine.ts';
import { placeCommit } from './place-commit.ts';
import {
  afterExchange,
  errorOf,
  measure,
  type Reading,
  type Stretch,
  stretchName,
  trustedUntil,
} from './stretch.ts';

/** What a transaction says of the time of its commit, next to what the wall clock showed. */
export interface CommitStamp {
  boot: string;
  mono: number;
}

export interface ClockStatus {
  /** This boot was compared with the cloud's clock. */
  trusted: boolean;
  /** The cloud's clock minus this machine's. */
  offsetMs: number | null;
  errorMs: number | null;
  boot: string;
  /** ISO 8601, by the cloud's clock. */
  lastExchangeAt: string | null;
}

/** What is known is written down this often; a power cut costs that much closeness of the bounds. */
const saveEveryUs = 60_000_000;

/** A base that moved by less is not worth a write. */
const worthSavingUs = 10_000;

/** A push of a boot that was not measured yet waits this long for the first exchange: the probe is under way as well. */
const patienceMs = 3_000;

export class CampusClock {
  readonly #machine: Machine;
  readonly #file: ClockFile;
  readonly #onProblem: (error: unknown) => void;
  readonly #measured = Promise.withResolvers<void>();
  #stretches: Stretch[];
  #saved: Stretch;
  #lastExchange: number | null = null;
  #patient = true;

  /**
   * @param file Closed by `close`.
   * @param onProblem Told when the file could not be written: what is known is still known as long as the process lives.
   */
  constructor(machine: Machine, file: ClockFile, onProblem: (error: unknown) => void) {
    this.#machine = machine;
    this.#file = file;
    this.#onProblem = onProblem;
    this.#stretches = file.read();
    const newest = this.#stretches.at(-1);
    if (newest?.boot !== machine.bootId) this.#stretches.push(this.#firstOfBoot(newest));
    this.#saved = this.#current;
    this.#save();
    if (this.#current.measured) this.#measured.resolve();
  }

  /** @param committedAt By Postgres, that is by this machine's wall clock, microseconds. In the order of the commits. */
  stamp(committedAt: number): CommitStamp {
    const { lastCommit } = this.#current;
    const before = lastCommit === null ? this.#bootBefore() : undefined;
    const place = placeCommit(committedAt, {
      now: this.#read(),
      floor: lastCommit ?? 0,
      before: before ? { first: before.first, last: before.last, floor: before.lastCommit ?? 0 } : null,
    });
    const { mono } = place;
    if (place.boot === 'before' && before) {
      this.#replace(before, { ...before, lastCommit: mono });
      return { boot: stretchName(before), mono };
    }
    this.#update({ lastCommit: mono });
    if (lastCommit === null) this.#save();
    return { boot: stretchName(this.#current), mono };
  }

  /** Call it as a question to the cloud is sent, and what it returns with the time that a signed answer tells. */
  readonly exchange = (): ((cloudTimeMs: number) => void) => {
    const sent = this.#machine.monoUs();
    return (cloudTimeMs) => {
      const now = this.#read();
      const fresh = measure({ sent, received: now.mono, cloud: cloudTimeMs * 1_000 });
      const { kept, begun } = afterExchange(this.#current, fresh, now);
      this.#replace(this.#current, kept);
      if (begun) {
        this.#write(kept);
        this.#stretches.push(begun);
      }
      this.#lastExchange = now.mono;
      this.#measured.resolve();
      this.seen();
    };
  };

  /** The boot lasts until now at least. Cheap; to be called every few seconds, with a link or without. */
  seen(): void {
    this.#update({ last: this.#read() });
    const [saved, current] = [this.#saved, this.#current];
    const moved = Math.abs((current.measured?.base ?? 0) - (saved.measured?.base ?? 0)) > worthSavingUs;
    const due = current.last.mono - saved.last.mono >= saveEveryUs;
    if (moved || due || current.part !== saved.part) this.#save();
  }

  /** What is known of the boots that transactions name. */
  async boots(named: ReadonlySet<string>): Promise<BootTimes> {
    if (named.has(stretchName(this.#current))) await this.#firstExchange();
    this.#update({ last: this.#read() });
    const known = Object.entries(bootTimes(this.#stretches));
    return Object.fromEntries(known.filter(([name]) => named.has(name)));
  }

  /**
   * Milliseconds since 1970-01-01 UTC by the cloud's clock. While this boot was not compared with it: a time that surely has been
   * reached; null when none is known.
   */
  now(): number | null {
    this.#update({ last: this.#read() });
    const { measured, earliest, last } = this.#current;
    if (measured) return (measured.base + last.mono) / 1_000;
    return earliest > 0 ? trustedUntil(this.#current) / 1_000 : null;
  }

  status(): ClockStatus {
    const { wall, mono } = this.#read();
    this.#update({ last: { wall, mono } });
    const { measured } = this.#current;
    const error = errorOf(this.#current);
    return {
      trusted: measured !== null,
      offsetMs: measured && Math.round((measured.base + mono - wall) / 1_000),
      errorMs: error && Math.ceil(error / 1_000),
      boot: stretchName(this.#current),
      lastExchangeAt: this.#lastExchangeAt(),
    };
  }

  close(): void {
    this.#update({ last: this.#read() });
    this.#save();
    this.#file.close();
  }

  get #current(): Stretch {
    return this.#stretches.at(-1) as Stretch;
  }

  #firstOfBoot(previous: Stretch | undefined): Stretch {
    const now = this.#read();
    return {
      boot: this.#machine.bootId,
      part: 1,
      measured: null,
      since: null,
      earliest: previous ? trustedUntil(previous) : 0,
      first: now,
      last: now,
      lastCommit: null,
    };
  }

  #bootBefore(): Stretch | undefined {
    return this.#stretches.findLast(({ boot }) => boot !== this.#machine.bootId);
  }

  #lastExchangeAt(): string | null {
    const stretch = this.#stretches.findLast(({ measured }) => measured !== null);
    if (!stretch?.measured) return null;
    const { base, mono } = stretch.measured;
    const at = base + (stretch === this.#current ? (this.#lastExchange ?? mono) : mono);
    return new Date(at / 1_000).toISOString();
  }

  async #firstExchange(): Promise<void> {
    if (this.#current.measured || !this.#patient) return;
    const late = Promise.withResolvers<void>();
    const cancel = this.#machine.after(patienceMs, late.resolve);
    await Promise.race([this.#measured.promise, late.promise]);
    cancel();
    this.#patient = false;
  }

  #read(): Reading {
    return { wall: this.#machine.wallUs(), mono: this.#machine.monoUs() };
  }

  #update(news: Partial<Stretch>): void {
    this.#stretches[this.#stretches.length - 1] = { ...this.#current, ...news };
  }

  #replace(old: Stretch, stretch: Stretch): void {
    this.#stretches[this.#stretches.indexOf(old)] = stretch;
  }

  #save(): void {
    this.#saved = this.#current;
    this.#write(this.#current);
  }

  /** A full disk must not stop capture, nor look like a cut cable. */
  #write(stretch: Stretch): void {
    try {
      this.#file.write(stretch);
    } catch (error) {
      this.#onProblem(error);
    }
  }
}
