import type { Clock } from './clock.ts';

/** A turn is small, so that a bulk transfer leaves the others their turns. */
const TURN_BYTES = 4 * 1_460;
/** A timer that fires late may be made up for by this much. */
const MAX_CREDIT_MS = 5;

/** Something with bytes to send. */
export interface Sender {
  /** Sends at most `bytes` now and says how many; 0 when it has nothing, or may send nothing. */
  takeTurn(bytes: number): number;
}

/**
 * One direction of the cable. All connections share its bandwidth and take turns; it sends nothing while it is closed.
 * Bytes that wait stay with their senders, which are bounded: the lane itself holds none.
 */
export class Lane {
  readonly #clock: Clock;
  readonly #waiting = new Set<Sender>();
  #bytesPerMs: number | null = null;
  #open = true;
  /** When the bytes sent so far will have gone over the wire. */
  #freeAtMs = 0;
  #cancelTimer: (() => void) | null = null;
  /** A sender that asks for a turn while it has one waits for the next. */
  #pumping = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  setBandwidth(kbps: number | null): void {
    this.#bytesPerMs = kbps === null ? null : kbps / 8;
    this.#freeAtMs = this.#clock.now();
    this.#pump();
  }

  setOpen(open: boolean): void {
    this.#open = open;
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#clock.now());
    this.#pump();
  }

  /** The sender has bytes. It gets its turns until it sends 0. */
  request(sender: Sender): void {
    this.#waiting.add(sender);
    this.#pump();
  }

  forget(sender: Sender): void {
    this.#waiting.delete(sender);
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    while (this.#open && this.#waiting.size > 0 && !this.#isBusy()) this.#turn();
    this.#pumping = false;
  }

  /** Whether the wire is still busy with what was sent; then the lane goes on by itself when it is free. */
  #isBusy(): boolean {
    const wait = this.#freeAtMs - this.#clock.now();
    if (this.#bytesPerMs === null || wait <= 0) return false;
    this.#cancelTimer = this.#clock.after(wait, () => this.#pump());
    return true;
  }

  #turn(): void {
    const [sender] = this.#waiting;
    if (sender === undefined) return;
    this.#waiting.delete(sender);
    const sent = sender.takeTurn(this.#bytesPerMs === null ? Number.POSITIVE_INFINITY : TURN_BYTES);
    if (sent === 0) return;
    this.#waiting.add(sender);
    if (this.#bytesPerMs === null) return;
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#clock.now() - MAX_CREDIT_MS) + sent / this.#bytesPerMs;
  }
}
