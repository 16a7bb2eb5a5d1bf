import { setTimeout as sleep } from 'node:timers/promises';
import { sendSignal } from './send-signal.ts';

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 10_000;
/** After running this long, the next end counts as a first one. */
const STEADY_MS = 30_000;
const ENDING_SIGNALS: readonly NodeJS.Signals[] = [
  'SIGKILL',
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGABRT',
  'SIGHUP',
];
const END_WAIT_MS = 30_000;

/** A process that is ready. */
export interface Launched {
  readonly pid: number;
  /** Resolves with how it ended. */
  readonly exited: Promise<string | undefined>;
  stop(): Promise<void>;
}

export interface ProcessSpec {
  readonly name: string;
  /** Starts it and resolves when it is ready; tells each pid at once. */
  launch(onSpawn: (pid: number) => void): Promise<Launched>;
}

export interface KeeperHooks {
  /** A process was started under this name. */
  onSpawn(name: string, pid: number): void;
  /** One sentence for a person. */
  report(line: string): void;
}

export type ProcessState = 'stopped' | 'starting' | 'running' | 'waiting';

export interface ProcessStatus {
  readonly name: string;
  readonly state: ProcessState;
  readonly pid: number | null;
  readonly restarts: number;
}

/**
 * Keeps one process running: when it ends although nobody stopped it, it is started again after a pause that grows while it
 * keeps ending. `start` and `stop` may be called in any state.
 */
export class KeptProcess {
  readonly #spec: ProcessSpec;
  readonly #hooks: KeeperHooks;
  #state: ProcessState = 'stopped';
  #pid: number | null = null;
  #launched: Launched | null = null;
  #launching: Promise<void> | null = null;
  #restarts = 0;
  #backoffMs = FIRST_BACKOFF_MS;
  #pause: AbortController | null = null;
  /** Whether it shall be started again when it ends. */
  #isKept = false;

  constructor(spec: ProcessSpec, hooks: KeeperHooks) {
    this.#spec = spec;
    this.#hooks = hooks;
  }

  get name(): string {
    return this.#spec.name;
  }

  status(): ProcessStatus {
    return { name: this.name, state: this.#state, pid: this.#pid, restarts: this.#restarts };
  }

  /** Resolves when it is ready, at once when it is; cuts a pause short. */
  async start(): Promise<void> {
    this.#isKept = true;
    this.#pause?.abort();
    if (this.#launched === null) await this.#launch();
  }

  /** Ends it in order, and it stays ended until `start`. */
  async stop(): Promise<void> {
    this.#isKept = false;
    this.#pause?.abort();
    if (this.#launching !== null && this.#pid !== null) sendSignal(this.#pid, 'SIGTERM');
    await this.#launching?.catch(() => undefined);
    await this.#launched?.stop();
    await this.#launched?.exited;
    this.#state = 'stopped';
  }

  /**
   * Sends a signal, and for one that ends processes waits for the end. It is started again after a pause, as after any crash;
   * with `hold` only by `start`.
   */
  async kill(signal: NodeJS.Signals, options: { hold?: boolean } = {}): Promise<void> {
    if (options.hold) this.#isKept = false;
    if (options.hold) this.#pause?.abort();
    const launched = this.#launched;
    if (this.#pid !== null) sendSignal(this.#pid, signal);
    if (!ENDING_SIGNALS.includes(signal)) return;
    const ended = launched?.exited ?? this.#launching?.catch(() => undefined);
    await Promise.race([ended, sleep(END_WAIT_MS, undefined, { ref: false })]);
  }

  #launch(): Promise<void> {
    this.#launching ??= this.#launchNow().finally(() => {
      this.#launching = null;
    });
    return this.#launching;
  }

  async #launchNow(): Promise<void> {
    this.#state = 'starting';
    try {
      const launched = await this.#spec.launch((pid) => {
        this.#pid = pid;
        this.#hooks.onSpawn(this.name, pid);
      });
      this.#launched = launched;
      this.#state = 'running';
      const readyAt = Date.now();
      launched.exited.then((how) => this.#ended(how ?? 'ended', Date.now() - readyAt));
    } catch (error) {
      this.#pid = null;
      this.#state = 'stopped';
      throw error;
    }
  }

  #ended(how: string, ranMs: number): void {
    this.#launched = null;
    this.#pid = null;
    this.#state = 'stopped';
    if (ranMs > STEADY_MS) this.#backoffMs = FIRST_BACKOFF_MS;
    if (this.#isKept) void this.#restartLater(`${this.name} ${how}`);
  }

  async #restartLater(why: string): Promise<void> {
    const pauseMs = this.#backoffMs;
    this.#backoffMs = Math.min(MAX_BACKOFF_MS, pauseMs * 2);
    this.#state = 'waiting';
    this.#hooks.report(`${why}; starting it again in ${pauseMs / 1000} s.`);
    const pause = new AbortController();
    this.#pause = pause;
    const elapsed = await sleep(pauseMs, true, { signal: pause.signal }).catch(() => false);
    if (this.#state === 'waiting') this.#state = 'stopped';
    if (!elapsed || !this.#isKept) return;
    this.#restarts += 1;
    try {
      await this.#launch();
      this.#hooks.report(`${this.name} is back.`);
    } catch (error) {
      if (this.#isKept) void this.#restartLater((error as Error).message.replace(/\.$/, ''));
    }
  }
}
