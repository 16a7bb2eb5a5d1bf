/**
 * The cloud's side of sequences: it keeps its own inside a block, and allots blocks to campuses. The cloud comes first:
 * no campus is given numbers of a sequence from which the cloud could still draw anything.
 *
 * One site at a time is served, under a lock on the table of blocks. An answer that was lost costs no block: the same
 * one is offered again until the campus says that it is in it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isLow,
  type LiveCatalog,
  quoteName,
  quoteTable,
  readSequences,
  type SequenceBlock,
  type SiteSequence,
  takeBlock,
} from '@skooly-edge/sync-protocol';
import type { Pool, PoolClient } from 'pg';
import type { Logger } from 'pino';
import { readEpoch } from '../restore/epoch.ts';
import { nextBlock } from './allot.ts';

export interface SequenceOptions {
  pool: Pool;
  catalog: LiveCatalog;
}

export interface AskedSequence {
  name: string;
  /** The last number that the campus has used of it, or found in its rows; null for none. */
  used: number | null;
  /** Where the block begins that the campus is in; null when it is in none of its own. */
  first: number | null;
}

export interface SequenceAnswer {
  blocks: (SequenceBlock & { name: string })[];
  /** No numbers are left, or the campus has been given too many blocks today. */
  refused: string[];
}

const cloud = 'cloud';

/** Who has just been elected begins soon: campuses wait for the cloud's own blocks. */
const electionPollMs = 500;

/** More blocks of one sequence in a day are not drawn by a school. */
const maxBlocksPerDay = 8;

/** Keeps the cloud's own sequences inside blocks, until the signal aborts. */
export async function keepCloudSequences(
  options: SequenceOptions & { elected(): boolean; logger: Logger; intervalMs: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      if (options.elected()) await tendCloudSequences(options);
    } catch (error) {
      if (!signal.aborted) options.logger.warn({ err: error }, 'the sequences could not be tended');
    }
    const delayMs = options.elected() ? options.intervalMs : electionPollMs;
    await sleep(delayMs, undefined, { signal }).catch(() => {});
  }
}

/** One round. @returns the sequences that have no numbers left for the cloud. */
export async function tendCloudSequences(options: SequenceOptions): Promise<string[]> {
  const exhausted: string[] = [];
  const epoch = await readEpoch(options.pool);
  for (const sequence of await sharedSequences(options)) {
    const served = await locked(options.pool, async (client) => {
      const held = await newestBlock(client, sequence.name, cloud, '', epoch);
      const inside = held && sequence.first === held.first && sequence.last === held.last;
      if (inside && !isLow(sequence)) return true;
      const block = held && !inside ? held : await allot(client, epoch, sequence, cloud, '', sequence.used);
      if (block) await takeBlock(client, sequence.name, block);
      return block !== null;
    });
    if (!served) exhausted.push(sequence.name);
  }
  return exhausted;
}

/** What a campus asks for: one block of each sequence that it names. */
export async function allotToCampus(
  options: SequenceOptions,
  campus: string,
  logEpoch: string,
  asked: readonly AskedSequence[],
): Promise<SequenceAnswer> {
  const shared = new Map((await sharedSequences(options)).map((sequence) => [sequence.name, sequence]));
  const epoch = await readEpoch(options.pool);
  const answer: SequenceAnswer = { blocks: [], refused: [] };
  for (const { name, used, first } of asked) {
    const sequence = shared.get(name);
    if (!sequence) continue;
    await locked(options.pool, async (client) => {
      if (!(await newestBlock(client, name, cloud, '', epoch))) return;
      const held = await newestBlock(client, name, campus, logEpoch);
      if (held && held.first !== first) answer.blocks.push({ name, ...held });
      else if ((await blocksToday(client, name, campus)) >= maxBlocksPerDay) answer.refused.push(name);
      else {
        const block = await allot(client, epoch, sequence, campus, logEpoch, used);
        if (block) answer.blocks.push({ name, ...block });
        else answer.refused.push(name);
      }
    });
  }
  return answer;
}

/** Of tables that both sides write: only there can numbers meet. */
async function sharedSequences({ pool, catalog }: SequenceOptions): Promise<SiteSequence[]> {
  const sequences = await readSequences(pool);
  return sequences.filter(({ table }) => catalog.current.tables.get(table)?.rule.direction === 'both');
}

async function allot(
  client: PoolClient,
  epoch: string,
  sequence: SiteSequence,
  site: string,
  logEpoch: string,
  used: number | null,
): Promise<SequenceBlock | null> {
  const { rows } = await client.query<Record<string, string | null>>(
    `SELECT coalesce(max(last), 0) AS last, count(*) > 0 AND NOT bool_or(cloud_epoch = $2) AS before_restore,
            (SELECT count(*) FROM sync.campus) AS campuses
     FROM sync.sequence_block WHERE sequence = $1`,
    [sequence.name, epoch],
  );
  const [state = {}] = rows;
  const last = Number(state.last);
  // Rows count only before the first block: later ones are inside somebody's block.
  const known = last === 0 ? await highestUsed(client, sequence) : 0;
  const block = nextBlock(
    { last, beforeRestore: state.before_restore === 't' },
    {
      highest: sequence.highest,
      used: Math.max(known, used ?? 0),
      campuses: Number(state.campuses),
    },
  );
  if (!block) return null;
  await client.query(
    `INSERT INTO sync.sequence_block (sequence, first, last, site, log_epoch, cloud_epoch)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [sequence.name, block.first, block.last, site, logEpoch, epoch],
  );
  return block;
}

async function highestUsed(client: PoolClient, { table, column, used }: SiteSequence): Promise<number> {
  const { rows } = await client.query<{ used: string | null }>(
    `SELECT max(${quoteName(column)}) AS used FROM ${quoteTable(table)}`,
  );
  return Math.max(used ?? 0, Number(rows[0]?.used ?? 0), 0);
}

/** The cloud's own counts only if it was allotted since the last restore. */
async function newestBlock(
  client: PoolClient,
  name: string,
  site: string,
  logEpoch: string,
  cloudEpoch: string | null = null,
): Promise<SequenceBlock | null> {
  const { rows } = await client.query<{ first: string; last: string }>(
    `SELECT first, last FROM sync.sequence_block
     WHERE sequence = $1 AND site = $2 AND log_epoch = $3 AND ($4::text IS NULL OR cloud_epoch = $4)
     ORDER BY first DESC LIMIT 1`,
    [name, site, logEpoch, cloudEpoch],
  );
  return rows[0] ? { first: Number(rows[0].first), last: Number(rows[0].last) } : null;
}

async function blocksToday(client: PoolClient, name: string, site: string): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    `SELECT count(*) AS count FROM sync.sequence_block
     WHERE sequence = $1 AND site = $2 AND allotted_at > now() - interval '1 day'`,
    [name, site],
  );
  return Number(rows[0]?.count ?? 0);
}

async function locked<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('LOCK TABLE sync.sequence_block IN EXCLUSIVE MODE');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}
