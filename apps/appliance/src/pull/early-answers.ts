/**
 * What the log said of rows before it was sure to hold every local commit. To wait for capture costs milliseconds, each time; an
 * apply that is tried entry by entry does not wait for each of them, but once at its end, and looks whether the log still says the
 * same. The rows that it has written are locked since it asked, so what the log says then is what it would have said after a wait.
 */
import { isDeepStrictEqual } from 'node:util';
import { type OwnChanges, type Row, RowsMovedError } from '@skooly-edge/sync-protocol';
import type { OwnLog } from './follower.ts';

type Ask = OwnLog['changesSince'];

interface Answer {
  question: Parameters<Ask>;
  own: OwnChanges | null;
}

/** What an attempt was told; it counts once the attempt has gone through. */
export interface Attempt {
  ask: Ask;
  drifted(table: string, key: Row, seq: number): void;
}

export class EarlyAnswers {
  readonly #log: OwnLog;
  readonly #answers: Answer[] = [];
  readonly #drifts: Parameters<Attempt['drifted']>[] = [];

  constructor(log: OwnLog) {
    this.#log = log;
  }

  /** The answers are kept if the work does not throw. */
  async attempt(work: (attempt: Attempt) => Promise<void>): Promise<void> {
    const answers: Answer[] = [];
    const drifts: Parameters<Attempt['drifted']>[] = [];
    await work({
      ask: (...question) => {
        const own = this.#log.changesSince(...question);
        answers.push({ question, own });
        return own;
      },
      drifted: (...row) => void drifts.push(row),
    });
    this.#answers.push(...answers);
    this.#drifts.push(...drifts);
  }

  /**
   * @param captured Resolves when every local commit before the call is in the log.
   * @param onDrift Told of rows that are neither here nor deleted here.
   * @throws RowsMovedError when a local commit was overlooked.
   */
  async prove(captured: () => Promise<void>, onDrift: Attempt['drifted']): Promise<void> {
    if (this.#answers.length === 0) return;
    await captured();
    for (const { question, own } of this.#answers)
      if (!isDeepStrictEqual(this.#log.changesSince(...question), own)) throw new RowsMovedError(question[0]);
    for (const row of this.#drifts) onDrift(...row);
  }
}
