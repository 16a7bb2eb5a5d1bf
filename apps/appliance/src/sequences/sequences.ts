/**
 * Keeps the sequences of this campus inside blocks that the cloud has allotted to it, so that a schema which counts its
 * keys works on both sides at once. It looks every minute; a sequence that has no block, or less than a fifth of one left,
 * is given another as soon as the cloud can be asked.
 *
 * It does not promise numbers without gaps, nor that they last for ever without the cloud: `problems` says before, and
 * Postgres refuses a number beyond the block.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isLow,
  type LiveCatalog,
  numbersLeft,
  quoteName,
  quoteTable,
  readSequences,
  type SequenceBlock,
  type SiteSequence,
  takeBlock,
} from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import type { Logger } from 'pino';

export interface SequenceQuestion {
  epoch: string;
  sequences: { name: string; used: number | null; first: number | null }[];
}

export interface SequenceAnswer {
  blocks: (SequenceBlock & { name: string })[];
  refused: string[];
}

export interface SequencesOptions {
  database: Pool;
  catalog: LiveCatalog;
  /** Of the log: a box with a new log does not go on in the block of another. */
  epoch: string;
  ask(question: SequenceQuestion, signal: AbortSignal): Promise<SequenceAnswer>;
  logger: Logger;
}

const lookIntervalMs = 60_000;
const retryIntervalMs = 5_000;
const firstRetryMs = 500;
const maxFirstTries = 20;

/** Whether the sequence is in a block of this box's, and how it stands there. */
export type SequenceState = 'none' | 'good' | 'low' | 'exhausted';

type Held = SiteSequence & { held: boolean };

export function stateOf(sequence: Held): SequenceState {
  if (!sequence.held) return 'none';
  if (numbersLeft(sequence) === 0) return 'exhausted';
  return isLow(sequence) ? 'low' : 'good';
}

export class Sequences {
  readonly #options: SequencesOptions;
  #problems: string[] = [];

  constructor(options: SequencesOptions) {
    this.#options = options;
  }

  /** One sentence for each sequence that an operator should know of. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let delayMs = lookIntervalMs;
      try {
        if (!(await this.tend(signal))) delayMs = retryIntervalMs;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const level = ++failures === 1 ? 'warn' : 'debug';
        this.#options.logger[level]({ err: error }, 'the sequences could not be tended, tries again');
        delayMs = retryIntervalMs;
      }
      await sleep(delayMs, undefined, { signal }).catch(() => {});
    }
  }

  /**
   * Before the first copy: rows that users make right after it must not be numbered like those of the cloud. Waits for
   * the cloud a bounded time; a copy without own numbers is better than none.
   */
  async beforeFirstCopy(signal: AbortSignal): Promise<void> {
    for (let tries = 1; tries <= maxFirstTries && !signal.aborted; tries++) {
      if (await this.tend(signal).catch(() => false)) return;
      await sleep(firstRetryMs, undefined, { signal }).catch(() => {});
    }
  }

  /** One look; may be called at any time. @returns whether every sequence is in a block with room. */
  async tend(signal: AbortSignal): Promise<boolean> {
    const wanting = (await this.#read()).filter((sequence) => stateOf(sequence) !== 'good');
    this.#problems = wanting.map(sentence);
    if (wanting.length === 0) return true;
    const sequences = [];
    for (const sequence of wanting) sequences.push(await this.#question(sequence));
    const { epoch, ask } = this.#options;
    for (const block of (await ask({ epoch, sequences }, signal)).blocks) await this.#take(block);
    const still = (await this.#read()).filter((sequence) => stateOf(sequence) !== 'good');
    this.#problems = still.map(sentence);
    return still.length === 0;
  }

  async #read(): Promise<Held[]> {
    const { database, catalog, epoch } = this.#options;
    const { rows } = await database.query<{ sequence: string; first: string; last: string }>(
      'SELECT sequence, first, last FROM sync.sequence_block WHERE log_epoch = $1',
      [epoch],
    );
    const blocks = new Map(rows.map(({ sequence, first, last }) => [sequence, `${first} ${last}`]));
    return (await readSequences(database))
      .filter(({ table }) => catalog.current.tables.get(table)?.rule.direction === 'both')
      .map((sequence) => ({
        ...sequence,
        held: blocks.get(sequence.name) === `${sequence.first} ${sequence.last}`,
      }));
  }

  async #question({
    name,
    table,
    column,
    held,
    first,
    used,
  }: Held): Promise<SequenceQuestion['sequences'][number]> {
    if (held) return { name, used, first };
    const { rows } = await this.#options.database.query<{ used: string | null }>(
      `SELECT max(${quoteName(column)}) AS used FROM ${quoteTable(table)}`,
    );
    return { name, used: Math.max(used ?? 0, Number(rows[0]?.used ?? 0), 0), first: null };
  }

  /** The sequence and the note of it change in one commit. */
  async #take({ name, first, last }: SequenceBlock & { name: string }): Promise<void> {
    const client = await this.#options.database.connect();
    try {
      await client.query('BEGIN');
      await takeBlock(client, name, { first, last });
      await client.query(
        `INSERT INTO sync.sequence_block (sequence, first, last, log_epoch) VALUES ($1, $2, $3, $4)
         ON CONFLICT (sequence) DO UPDATE
         SET first = excluded.first, last = excluded.last, log_epoch = excluded.log_epoch, taken_at = now()`,
        [name, first, last, this.#options.epoch],
      );
      await client.query('COMMIT');
      this.#options.logger.info({ sequence: name, first, last }, 'a sequence goes on in a new block');
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {});
      throw error;
    } finally {
      client.release();
    }
  }
}

function sentence(sequence: Held): string {
  const { name, table } = sequence;
  switch (stateOf(sequence)) {
    case 'none':
      return `${name} has no numbers of this campus's own yet: new rows of ${table} may clash with the cloud's. Connect the box to the cloud.`;
    case 'exhausted':
      return `${name} has no numbers left: ${table} takes no new rows. Connect the box to the cloud.`;
    default:
      return `${name} has ${numbersLeft(sequence)} numbers left for ${table}. Connect the box to the cloud before they are used up.`;
  }
}
