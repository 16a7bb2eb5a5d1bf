/**
 * Who may push now. A batch is announced before its body is read, waits for its turn once it is here, is worked on, and leaves.
 * A thousand campuses that come back at the same moment cost the memory of a few.
 *
 * Each campus has eight batches in here at most, so that the next ones arrive while one is worked on. Turns go by how long a campus
 * has been asking, so that one with much to say waits behind all others after each of its batches. Who cannot wait here is told
 * when to come again (RELAY_BUSY) and keeps its place: who has asked for longer takes the room of who came later. With a batch go those
 * that its campus has sent behind it: by themselves they could not be applied. Nothing is written down: after a restart everyone asks
 * anew.
 */
import { RelayError } from '../errors.ts';
import { type AdmissionLimits, defaultAdmissionLimits } from './limits.ts';
import { Pace } from './pace.ts';

export interface AdmissionOptions {
  limits?: Partial<AdmissionLimits>;
  /** Milliseconds of a clock that only goes forward. */
  monotonicMs(): number;
  /** A batch has come. @returns called when it leaves. */
  onEnter?(bytes: number): () => void;
}

/** One batch on its way through. */
export interface Visit {
  /** Its body is here. Resolves when it may be worked on. Called once. @throws RelayError RELAY_BUSY when it is to come again. */
  turn(): Promise<void>;
  /** It is done with, or its sender has gone before its turn. Calling it twice counts once. */
  leave(): void;
}

interface Guest extends Visit {
  readonly campus: string;
  readonly bytes: number;
  /** Its place: the number of the request with which the campus began to ask. */
  readonly place: number;
  state: 'arriving' | 'waiting' | 'working';
  admit(): void;
  /** If it waits. */
  refuse(): void;
}

interface KeptPlace {
  place: number;
  /** When it was told to come again, if it was: what comes sooner was sent behind what was refused. */
  fromMs: number;
  untilMs: number;
}

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #monotonicMs: () => number;
  readonly #onEnter: (bytes: number) => () => void;
  readonly #pace: Pace;
  readonly #guests = new Set<Guest>();
  /** Of campuses that were told to come again, or went before their turn. */
  readonly #places = new Map<string, KeptPlace>();
  #bytes = 0;
  #working = 0;
  #lastPlace = 0;

  constructor({ limits, monotonicMs, onEnter = () => () => {} }: AdmissionOptions) {
    this.#limits = { ...defaultAdmissionLimits, ...limits };
    this.#monotonicMs = monotonicMs;
    this.#onEnter = onEnter;
    this.#pace = new Pace(monotonicMs);
  }

  /** Nobody pushes. */
  get isEmpty(): boolean {
    return this.#guests.size === 0;
  }

  /**
   * Announces a batch, before its body is read.
   *
   * @param bytes What its body takes in memory.
   * @throws RelayError RELAY_BUSY
   */
  enter(campus: string, bytes: number): Visit {
    this.#mustNotBeAway(campus);
    const own = [...this.#guests].filter((guest) => guest.campus === campus);
    // The box has given up those requests, or their connections are dead.
    if (own.length >= this.#limits.perCampus) for (const guest of own) guest.refuse();
    const place = this.#placeOf(campus);
    while (!this.#hasRoom(bytes)) {
      const youngest = this.#youngest();
      if (!youngest || youngest.place < place) throw this.#busy(campus, place, true);
      youngest.refuse();
    }
    this.#places.delete(campus);
    return this.#guest(campus, bytes, place);
  }

  #guest(campus: string, bytes: number, place: number): Visit {
    const turn = Promise.withResolvers<void>();
    turn.promise.catch(() => {});
    const left = this.#onEnter(bytes);
    let timer: NodeJS.Timeout | undefined;
    let present = true;
    let refused = false;
    const guest: Guest = {
      campus,
      bytes,
      place,
      state: 'arriving',
      turn: () => {
        guest.state = 'waiting';
        timer = setTimeout(() => guest.refuse(), this.#limits.waitMs);
        if (this.#isAway(campus)) guest.refuse();
        else this.#admitNext();
        return turn.promise;
      },
      admit: () => {
        clearTimeout(timer);
        guest.state = 'working';
        this.#working++;
        turn.resolve();
      },
      refuse: () => {
        if (!present || guest.state !== 'waiting') return;
        // The last one first: none of them is to be admitted meanwhile.
        for (const behind of this.#behind(guest).toReversed()) behind.refuse();
        refused = true;
        guest.leave();
      },
      leave: () => {
        if (!present) return;
        present = false;
        left();
        clearTimeout(timer);
        this.#guests.delete(guest);
        this.#bytes -= bytes;
        if (guest.state === 'working') {
          this.#working--;
          this.#pace.done(this.#someWait);
        } else turn.reject(this.#busy(campus, place, refused));
        this.#admitNext();
      },
    };
    this.#bytes += bytes;
    this.#guests.add(guest);
    return guest;
  }

  get #someWait(): boolean {
    return [...this.#guests].some(({ state }) => state === 'waiting');
  }

  /** An empty house has room for a batch of any size. */
  #hasRoom(bytes: number): boolean {
    const { guests, bodyBytes } = this.#limits;
    return this.#guests.size === 0 || (this.#guests.size < guests && this.#bytes + bytes <= bodyBytes);
  }

  #admitNext(): void {
    while (this.#working < this.#limits.working) {
      const next = oldest(this.#firstOfEach().filter(({ state }) => state === 'waiting'));
      if (!next) return;
      next.admit();
    }
  }

  /** Of each campus the batch that comes next: a later one would stand in its way until it came. */
  #firstOfEach(): Guest[] {
    const first = new Map<string, Guest>();
    for (const guest of this.#guests)
      if (guest.state !== 'working' && !first.has(guest.campus)) first.set(guest.campus, guest);
    return [...first.values()];
  }

  /**
   * Of those that wait: one that arrives has its sender's upload behind it, and one that is worked on must be let finish. Of one
   * campus the last.
   */
  #youngest(): Guest | undefined {
    let youngest: Guest | undefined;
    for (const guest of this.#guests)
      if (guest.state === 'waiting' && guest.place >= (youngest?.place ?? 0)) youngest = guest;
    return youngest;
  }

  /** What the same campus has sent later. */
  #behind(guest: Guest): Guest[] {
    const all = [...this.#guests];
    return all.slice(all.indexOf(guest) + 1).filter(({ campus }) => campus === guest.campus);
  }

  #isAway(campus: string): boolean {
    return this.#monotonicMs() < (this.#places.get(campus)?.fromMs ?? 0);
  }

  #mustNotBeAway(campus: string): void {
    const kept = this.#places.get(campus);
    if (kept && this.#isAway(campus)) throw busy(Math.ceil((kept.fromMs - this.#monotonicMs()) / 1000));
  }

  #placeOf(campus: string): number {
    this.#forgetPlaces();
    return this.#places.get(campus)?.place ?? ++this.#lastPlace;
  }

  /** Who has not come back by twice its time has somewhere else to be. */
  #forgetPlaces(): void {
    const nowMs = this.#monotonicMs();
    for (const [campus, { untilMs }] of this.#places) if (untilMs < nowMs) this.#places.delete(campus);
  }

  /**
   * It is to be back before its turn, or the relay would stand idle. The pace may double until then; who comes too early waits here or
   * is told anew.
   */
  #busy(campus: string, place: number, isTold: boolean): RelayError {
    const { maxRetryAfterSeconds: most } = this.#limits;
    const before = [...this.#guests, ...this.#places.values()].filter((other) => other.place < place).length;
    const awayMs = (before * this.#pace.msEach) / 2;
    const seconds = Math.min(most, Math.max(1, Math.ceil(awayMs / 1000)));
    const nowMs = this.#monotonicMs();
    this.#places.set(campus, {
      place,
      fromMs: isTold ? nowMs + seconds * 1000 : 0,
      untilMs: nowMs + 2 * most * 1000,
    });
    return busy(seconds);
  }
}

function busy(retryAfterSeconds: number): RelayError {
  return new RelayError('RELAY_BUSY', 'More campuses push than the relay works for at once.', {
    retryAfterSeconds,
  });
}

function oldest(guests: readonly Guest[]): Guest | undefined {
  return guests.reduce<Guest | undefined>(
    (first, guest) => (first === undefined || guest.place < first.place ? guest : first),
    undefined,
  );
}
