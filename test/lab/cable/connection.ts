import { connect, type Socket } from 'node:net';
import type { Clock } from './clock.ts';
import type { Lane } from './lane.ts';
import { Pipe, type PipeOptions } from './pipe.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionOptions {
  readonly target: Target;
  readonly clock: Clock;
  readonly up: Lane;
  readonly down: Lane;
  delayMs(bytes: number): number;
  rttMs(): number;
  isOpen(): boolean;
  onDelivered(direction: 'up' | 'down', bytes: number): void;
  onClosed(): void;
}

type End = 'campus' | 'cloud';

/**
 * One connection from campus to cloud. The campus end is there from the start; the cloud end is connected once the cable lets
 * a handshake through. A reset of one end reaches the other after the delay of the cable, and not while it is cut.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #campus: Socket;
  readonly #upPipe: Pipe;
  #downPipe: Pipe | null = null;
  #cloud: Socket | null = null;
  #cancelTimer: (() => void) | null = null;
  /** The end that went away without a goodbye, which the other has not heard of yet. */
  #lost: End | null = null;
  #closed = false;

  constructor(campus: Socket, options: ConnectionOptions) {
    this.#campus = campus;
    this.#options = options;
    this.#upPipe = new Pipe(campus, this.#pipeOptions('up', options.up));
    campus.on('error', () => undefined);
    campus.on('close', () => this.#endClosed('campus'));
    campus.on('end', () => this.#giveUpUnanswered());
    this.resume();
  }

  /** The cable lets traffic through again: goes on where it was held up. May be called at any time. */
  resume(): void {
    if (this.#closed || !this.#options.isOpen()) return;
    if (this.#lost !== null) this.#spreadLoss();
    else if (this.#cloud === null) this.#later(this.#options.rttMs(), () => this.#connectCloud());
    this.#upPipe.arrive();
    this.#downPipe?.arrive();
  }

  reset(): void {
    this.#campus.resetAndDestroy();
    this.#cloud?.resetAndDestroy();
    this.#finish();
  }

  /** A caller that leaves while its handshake hangs in a cut cable has never been connected. */
  #giveUpUnanswered(): void {
    if (this.#cloud === null && !this.#options.isOpen()) this.reset();
  }

  #connectCloud(): void {
    if (this.#cloud !== null || !this.#options.isOpen()) return;
    const cloud = connect({ ...this.#options.target, allowHalfOpen: true, noDelay: true });
    this.#cloud = cloud;
    cloud.on('error', () => undefined);
    cloud.on('close', () => this.#endClosed('cloud'));
    cloud.once('connect', () => {
      this.#downPipe = new Pipe(cloud, this.#pipeOptions('down', this.#options.down));
      this.#downPipe.connect(this.#campus);
      this.#upPipe.connect(cloud);
    });
  }

  #endClosed(end: End): void {
    if (this.#closed) return;
    const other = end === 'campus' ? this.#cloud : this.#campus;
    if (other === null || other.closed) {
      this.#finish();
      return;
    }
    if (saidGoodbye(end === 'campus' ? this.#campus : this.#cloud)) return;
    this.#lost = end;
    if (this.#options.isOpen()) this.#spreadLoss();
  }

  #spreadLoss(): void {
    this.#later(this.#options.rttMs() / 2, () => {
      if (this.#options.isOpen()) this.reset();
    });
  }

  #later(ms: number, then: () => void): void {
    this.#cancelTimer?.();
    if (ms === 0) then();
    else this.#cancelTimer = this.#options.clock.after(ms, then);
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    this.#upPipe.close();
    this.#downPipe?.close();
    this.#options.onClosed();
  }

  #pipeOptions(direction: 'up' | 'down', lane: Lane): PipeOptions {
    const { clock, delayMs, isOpen, onDelivered } = this.#options;
    return { lane, clock, delayMs, isOpen, onDelivered: (bytes) => onDelivered(direction, bytes) };
  }
}

/** Whether the stream was read to its end, and ours written to its end: a proper close in both directions. */
function saidGoodbye(socket: Socket | null): boolean {
  return socket?.readableEnded === true && socket.writableFinished === true;
}
