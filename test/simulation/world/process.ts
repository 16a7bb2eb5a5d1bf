/**
 * A process that can be killed between any two of its effects. Everything it does to the world begins with `step`: a dead
 * process's step never ends, so its code never goes on, like that of a process after SIGKILL.
 */
import type { Chance } from './chance.ts';
import type { Scheduler } from './scheduler.ts';

const never = new Promise<never>(() => {});

/** The share of steps that let others go first; the rest go on at once, which is as legal and costs nothing. */
const yieldingShare = 0.4;
const stepMeanUs = 300;

export class Process {
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  readonly #onDeath: (() => void)[] = [];
  #alive = true;
  #stepsLeft = Number.POSITIVE_INFINITY;

  constructor(name: string, scheduler: Scheduler, chance: Chance) {
    this.name = name;
    this.#scheduler = scheduler;
    this.#chance = chance;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Called once, at the moment of death. */
  onDeath(callback: () => void): void {
    this.#onDeath.push(callback);
  }

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const callback of this.#onDeath) callback();
  }

  /** Dies after that many further steps. */
  killAfter(steps: number): void {
    this.#stepsLeft = Math.min(this.#stepsLeft, steps);
  }

  /** Before and after each effect. */
  step(): Promise<void> {
    if (!this.#alive || this.#stepsLeft-- <= 0) {
      this.kill();
      return never;
    }
    if (!this.#chance.happens(yieldingShare)) return Promise.resolve();
    return this.sleep(this.#chance.delay(stepMeanUs));
  }

  /** What a dead process's code waits for. */
  never(): Promise<never> {
    return never;
  }

  sleep(delayUs: number): Promise<void> {
    if (!this.#alive) return never;
    return new Promise((resolve) => {
      this.#scheduler.after(delayUs, () => {
        if (this.#alive) resolve();
      });
    });
  }

  /** The promise, as far as this process lives to see it. */
  see<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.#alive && resolve(value),
        (error) => this.#alive && reject(error),
      );
    });
  }

  /** @throws TimeoutError */
  within<T>(limitUs: number, promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.see(promise).then(resolve, reject);
      this.#scheduler.after(limitUs, () => this.#alive && reject(new TimeoutError()));
    });
  }
}

export class TimeoutError extends Error {
  readonly code = 'TIMEOUT';

  constructor() {
    super('it took too long');
    this.name = 'TimeoutError';
  }
}
