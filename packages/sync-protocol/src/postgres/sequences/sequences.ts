/**
 * Sequences of `serial` and identity columns give each site numbers of its own, so that rows which are made apart never
 * have the same key. The cloud allots blocks; a site that has a block draws from it alone, and takes a new one while a
 * fifth of it is left. What was left is given up: numbers need not be without gaps, and a switch is never urgent.
 */
import type { ClientBase } from 'pg';

export interface SequenceBlock {
  first: number;
  last: number;
}

export interface SiteSequence extends SequenceBlock {
  /** Schema-qualified. */
  name: string;
  /** The synced table that draws from it, and its column. */
  table: string;
  column: string;
  /** What sequence and column can hold, within what JavaScript counts exactly. */
  highest: number;
  increment: number;
  /** The last number drawn; null when none was since it was created or restarted. */
  used: number | null;
}

/** A new block is asked for when less than this share is left. */
export const lowShare = 0.2;

/** Numbers are not drawn for longer than this while a block is taken; who holds the sequence longer is waited for later. */
const lockTimeout = '2s';

/**
 * Of a fifth of it a school lives for longer than a cut: 200,000 rows of one table are 2,000 a day for 100 days. In a
 * 4-byte column there are 2,147 such blocks. A 2-byte column has room for 32 small ones.
 */
export function blockSize(highest: number): number {
  if (highest <= 32_767) return 1_000;
  return highest <= 2_147_483_647 ? 1_000_000 : 1_000_000_000;
}

export function numbersLeft({ first, last, used }: SequenceBlock & { used: number | null }): number {
  return last - Math.max(first - 1, Math.min(used ?? first - 1, last));
}

export function isLow(block: SequenceBlock & { used: number | null }): boolean {
  return numbersLeft(block) < (block.last - block.first + 1) * lowShare;
}

/** Those behind synced tables, except such as count down. Needs a database that is prepared. */
export async function readSequences(client: Pick<ClientBase, 'query'>): Promise<SiteSequence[]> {
  const { rows } = await client.query<Record<string, string | null>>(
    `SELECT name, table_name, column_name, least(highest, ${Number.MAX_SAFE_INTEGER}) AS highest, increment, first, last, used
     FROM sync.sequences() WHERE increment > 0 AND name IS NOT NULL ORDER BY name`,
  );
  return rows.map((row) => ({
    name: row.name ?? '',
    table: row.table_name ?? '',
    column: row.column_name ?? '',
    highest: Number(row.highest),
    increment: Number(row.increment),
    first: Number(row.first),
    last: Number(row.last),
    used: row.used == null ? null : Number(row.used),
  }));
}

/** In the caller's transaction. Taken again, the sequence goes on where it is. @returns the next number. */
export async function takeBlock(
  client: Pick<ClientBase, 'query'>,
  name: string,
  { first, last }: SequenceBlock,
): Promise<number> {
  await client.query(`SET LOCAL lock_timeout = '${lockTimeout}'`);
  const { rows } = await client.query<{ begins: string }>(
    'SELECT sync.take_sequence_block($1, $2, $3) AS begins',
    [name, first, last],
  );
  return Number(rows[0]?.begins);
}
