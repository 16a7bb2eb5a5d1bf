import type { Socket } from 'node:net';
import type { Clock } from './clock.ts';
import type { Lane, Sender } from './lane.ts';

/** Bytes of one connection and direction that wait for their turn; beyond it the sender is not read. */
export const MAX_WAITING_BYTES = 64 * 1024;
/** Bytes of one connection and direction that are under way; beyond it no more are sent, as with a full TCP window. */
export const MAX_UNDER_WAY_BYTES = 1024 * 1024;

export interface PipeOptions {
  readonly lane: Lane;
  readonly clock: Clock;
  /** How long these bytes take to the other end. */
  delayMs(bytes: number): number;
  /** Whether anything arrives now. */
  isOpen(): boolean;
  onDelivered(bytes: number): void;
}

interface UnderWay {
  /** The end of the stream when null. */
  readonly bytes: Buffer | null;
  readonly arrivesAtMs: number;
}

/**
 * One direction of one connection: read from the source, wait for a turn on the lane, be under way, arrive. In order, with a
 * bound on each stretch, and back to the source when the destination does not keep up.
 */
export class Pipe implements Sender {
  readonly #source: Socket;
  readonly #options: PipeOptions;
  #destination: Socket | null = null;
  #waiting: (Buffer | null)[] = [];
  #waitingBytes = 0;
  #underWay: UnderWay[] = [];
  #underWayBytes = 0;
  #lastArrivalMs = 0;
  #destinationIsFull = false;
  #cancelTimer: (() => void) | null = null;
  #closed = false;

  constructor(source: Socket, options: PipeOptions) {
    this.#source = source;
    this.#options = options;
    source.on('data', (bytes: Buffer) => this.#read(bytes));
    source.on('end', () => this.#enter(null));
  }

  connect(destination: Socket): void {
    this.#destination = destination;
    destination.on('drain', () => {
      this.#destinationIsFull = false;
      this.arrive();
    });
    this.#request();
    this.arrive();
  }

  takeTurn(maxBytes: number): number {
    const head = this.#waiting[0];
    if (head === undefined || this.#closed || this.#underWayBytes >= MAX_UNDER_WAY_BYTES) return 0;
    if (head === null) {
      this.#waiting.shift();
      this.#depart(null);
      return 0;
    }
    const part = head.length > maxBytes ? head.subarray(0, maxBytes) : head;
    if (part === head) this.#waiting.shift();
    else this.#waiting[0] = head.subarray(maxBytes);
    this.#waitingBytes -= part.length;
    if (this.#waitingBytes < MAX_WAITING_BYTES) this.#source.resume();
    this.#depart(part);
    return part.length;
  }

  /** Delivers what has arrived by now. Called again when the cable is healed. */
  arrive(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    while (
      this.#destination !== null &&
      !this.#destinationIsFull &&
      !this.#closed &&
      this.#options.isOpen()
    ) {
      const next = this.#underWay[0];
      if (next === undefined) return;
      const wait = next.arrivesAtMs - this.#options.clock.now();
      if (wait > 0) {
        this.#cancelTimer = this.#options.clock.after(wait, () => this.arrive());
        return;
      }
      this.#underWay.shift();
      this.#deliver(this.#destination, next.bytes);
    }
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#options.lane.forget(this);
    this.#waiting = [];
    this.#underWay = [];
  }

  #read(bytes: Buffer): void {
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= MAX_WAITING_BYTES) this.#source.pause();
    this.#enter(bytes);
  }

  #enter(bytes: Buffer | null): void {
    if (this.#closed) return;
    this.#waiting.push(bytes);
    this.#request();
  }

  #request(): void {
    if (this.#destination !== null && this.#waiting.length > 0) this.#options.lane.request(this);
  }

  #depart(bytes: Buffer | null): void {
    const { clock, delayMs } = this.#options;
    const arrivesAtMs = Math.max(this.#lastArrivalMs, clock.now() + delayMs(bytes?.length ?? 0));
    this.#lastArrivalMs = arrivesAtMs;
    this.#underWayBytes += bytes?.length ?? 0;
    this.#underWay.push({ bytes, arrivesAtMs });
    if (this.#underWay.length === 1) this.arrive();
  }

  #deliver(destination: Socket, bytes: Buffer | null): void {
    if (bytes === null) {
      destination.end();
      return;
    }
    this.#underWayBytes -= bytes.length;
    this.#options.onDelivered(bytes.length);
    this.#destinationIsFull = !destination.write(bytes);
    this.#request();
  }
}
