/**
 * The line between a campus and the cloud: latency, loss, cuts, requests that arrive twice, answers that never come. A request is
 * handled in the relay's process, at a moment of its own; whoever asked may be long dead.
 */
import type { Chance } from './chance.ts';
import { type Process, TimeoutError } from './process.ts';
import type { Scheduler } from './scheduler.ts';

export class NetworkError extends Error {
  readonly code = 'NETWORK';

  constructor(what: string) {
    super(what);
    this.name = 'NetworkError';
  }
}

const latencyMeanUs = 30_000;
const requestTimeoutUs = 8_000_000;

export class Line {
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  up = true;
  /** The share of messages that are lost. */
  loss = 0;
  /** The share of requests that arrive twice. */
  twice = 0;

  constructor(scheduler: Scheduler, chance: Chance) {
    this.#scheduler = scheduler;
    this.#chance = chance;
  }

  /** @param handle Begins handling at the other end; null when nobody is there. @throws NetworkError, TimeoutError */
  request<T>(process: Process, handle: () => Promise<T> | null): Promise<T> {
    const answer = new Promise<T>((resolve, reject) => {
      const copies = this.#chance.happens(this.twice) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        const delayUs = this.#latencyUs() * (copy === 0 ? 1 : 1 + 20 * this.#chance.fraction());
        this.#travel(delayUs, reject, () => {
          const handling = handle();
          if (!handling)
            return this.#travel(this.#latencyUs(), reject, () => reject(new NetworkError('refused')));
          handling.then(
            (value) => this.#travel(this.#latencyUs(), reject, () => resolve(value)),
            (error) => this.#travel(this.#latencyUs(), reject, () => reject(error)),
          );
        });
      }
    });
    return process.within(requestTimeoutUs, answer);
  }

  #latencyUs(): number {
    return this.#chance.delay(latencyMeanUs);
  }

  /** A message that is on its way when the line is cut does not arrive. */
  #travel(delayUs: number, onLoss: (error: Error) => void, arrive: () => void): void {
    if (!this.up) {
      this.#scheduler.after(delayUs, () => onLoss(new NetworkError('no route')));
      return;
    }
    if (this.#chance.happens(this.loss)) return;
    this.#scheduler.after(delayUs, () => {
      if (this.up) arrive();
    });
  }
}

export function isNetworkTrouble(error: unknown): boolean {
  return error instanceof NetworkError || error instanceof TimeoutError;
}
