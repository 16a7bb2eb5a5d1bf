/**
 * Notices that the cloud is another one than this campus has followed, and gives back what the cloud has lost (`give-back.ts`).
 *
 * Whoever asks the relay where the campus stands asks through `position`, which refuses to go on while the epochs differ,
 * and while the cloud stands behind what it has acknowledged: then its database is being restored at this moment.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type GiveBackOptions, type GiveBackResult, giveBack } from './give-back.ts';

/** The cloud is not where this campus left it; push and pull wait until that is mended. */
export class CloudRestoredError extends Error {
  readonly code = 'CLOUD_RESTORED';
  readonly advice = 'Nothing needs to be done: the box gives back what the cloud has lost, then goes on.';
}

export interface RestoreOptions extends Omit<GiveBackOptions, 'onProgress'> {
  logger: Logger;
  /** Ends what is being pushed: no answer of the cloud that was may come in after the log has been turned back. */
  stopPushing(): void;
  /** Everything that could be given back has been: push, pull and a resync may go on. */
  onMended(result: GiveBackResult): void;
}

export interface RestoreStatus extends GiveBackResult {
  /** Why it does not go on; null while it does. */
  problem: string | null;
}

const retryDelayMs = 2_000;

export class Restore {
  readonly #options: RestoreOptions;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  #status: RestoreStatus | null = null;

  constructor(options: RestoreOptions) {
    this.#options = options;
  }

  /** Null while the cloud is the one that this campus follows. */
  get status(): RestoreStatus | null {
    return this.#status;
  }

  /** @throws CloudRestoredError */
  check(position: { epoch: string; cursor: { seq: number } }, followed: string): void {
    if (position.epoch !== followed) {
      this.#status ??= { pushedAgain: 0, givenBack: 0, problem: null };
      this.#wake.resolve();
      throw new CloudRestoredError('The cloud was restored to an earlier point.');
    }
    if (position.cursor.seq < this.#options.log.acknowledged)
      throw new CloudRestoredError('The cloud stands behind what it has acknowledged.');
  }

  async run(signal: AbortSignal): Promise<void> {
    const stopped = () => this.#wake.resolve();
    signal.addEventListener('abort', stopped, { once: true });
    while (!signal.aborted) {
      await this.#wake.promise;
      if (signal.aborted) break;
      this.#wake = Promise.withResolvers();
      await this.#mend(signal);
    }
    signal.removeEventListener('abort', stopped);
  }

  async #mend(signal: AbortSignal): Promise<void> {
    const { logger, onMended } = this.#options;
    while (!signal.aborted) {
      try {
        const onProgress = (progress: GiveBackResult) => {
          this.#status = { ...progress, problem: null };
        };
        this.#options.stopPushing();
        const result = await giveBack({ ...this.#options, onProgress }, signal);
        this.#status = null;
        if (result) {
          logger.warn(result, 'the cloud was restored: what it had lost is given back');
          onMended(result);
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        const { message, advice = '' } = error as Error & { advice?: string };
        this.#status = {
          pushedAgain: 0,
          givenBack: 0,
          ...this.#status,
          problem: `${message} ${advice}`.trim(),
        };
        logger.warn({ err: error }, 'giving back to the restored cloud stopped, goes on shortly');
      }
      await sleep(retryDelayMs, undefined, { signal }).catch(() => {});
    }
  }
}
