/**
 * Writes of an application that talks SQL: groups of pupils that are made, changed and deleted whole, each group by one writer
 * only, so that afterwards exactly what it committed last must be found, and at every moment at both sites either all of a
 * transaction or nothing of it. Besides, each writer changes pupils that the other side changes too; of those only equality
 * can be asked.
 *
 * A commit whose answer was lost is uncertain: what it wrote may be found, and so may what was there before.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { between, chance, hex, pick } from '../../lab/day/chance.ts';
import type { Random } from '../random.ts';

const longestPauseMs = 60;
const reconnectMs = 100;
const largestGroup = 4;
const uncertain = Symbol('uncertain');

export interface Group {
  readonly name: string;
  readonly campus: string;
  readonly size: number;
  /** What each row of it may say at last; null when it may be gone. */
  possible: readonly (string | null)[];
}

export interface Writer {
  readonly url: string;
  readonly campus: string;
  /** Distinguishes the groups of this writer from all others. */
  readonly label: string;
  readonly random: Random;
  readonly groups: Group[];
  readonly problems: string[];
  readonly counts: { acknowledged: number; uncertain: number; refused: number };
}

/** Writes until the signal aborts; goes on after every lost connection. */
export async function runWriter(writer: Writer, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const client = newClient(writer.url);
    try {
      await client.connect();
      while (!signal.aborted) {
        await writeOnce(writer, client);
        await sleep(between(writer.random, 0, longestPauseMs));
      }
    } catch {
      await sleep(reconnectMs);
    } finally {
      await client.end().catch(() => {});
    }
  }
}

function newClient(connectionString: string): pg.Client {
  const client = new pg.Client({ connectionString, statement_timeout: 10_000 });
  client.on('error', () => {});
  return client;
}

/** @throws when the connection is lost. */
async function writeOnce(writer: Writer, client: pg.Client): Promise<void> {
  const { random, groups } = writer;
  const alive = groups.filter(({ possible }) => possible.some((value) => value !== null));
  if (chance(random, 0.25)) return contested(writer, client);
  if (alive.length < 3 || chance(random, 0.25)) return insertGroup(writer, client);
  const group = pick(random, alive);
  const stamp = chance(random, 0.2) ? null : `T ${hex(random, 12)}`;
  const result = await commit(writer, client, async () => {
    const changed =
      stamp === null
        ? await client.query('delete from pupil where family_name = $1', [group.name])
        : await client.query('update pupil set guardian_name = $2 where family_name = $1', [
            group.name,
            stamp,
          ]);
    return changed.rowCount ?? 0;
  });
  if (result === 'refused') return;
  if (result === uncertain) group.possible = [...group.possible, stamp];
  else if (result === group.size) group.possible = [stamp];
  else if (result === 0 && group.possible.includes(null)) group.possible = [null];
  else writer.problems.push(`${group.name} had ${result} of its ${group.size} rows where it was written`);
}

async function insertGroup(writer: Writer, client: pg.Client): Promise<void> {
  const { random, campus, groups } = writer;
  const group: Group = {
    name: `${writer.label} ${groups.length}`,
    campus,
    size: between(random, 1, largestGroup),
    possible: [null],
  };
  const stamp = `T ${hex(random, 12)}`;
  const ids = Array.from({ length: group.size }, () => uuid(random));
  groups.push(group);
  const result = await commit(writer, client, async () => {
    for (const id of ids) {
      await client.query(
        `insert into pupil (id, campus_id, class_id, matricule, family_name, given_names, sex, born_on, guardian_name, updated_by)
         select $1, $2, (select min(id::text)::uuid from class where campus_id = $2), $3, $4, $5, 'F', '2012-02-29', $6, 'chaos'`,
        [id, campus, `X${hex(random, 14).toUpperCase()}`, group.name, String(group.size), stamp],
      );
    }
    return group.size;
  });
  if (result === uncertain) group.possible = [null, stamp];
  else if (result !== 'refused') group.possible = [stamp];
}

async function contested({ random, campus, ...writer }: Writer, client: pg.Client): Promise<void> {
  const name = `Prénom ${hex(random, 8)}`;
  const nth = between(random, 0, 9);
  await commit({ counts: writer.counts }, client, async () => {
    await client.query(
      `update pupil set given_names = $1 where id = (select id from pupil where campus_id = $2 and updated_by <> 'chaos' order by id offset $3 limit 1)`,
      [name, campus, nth],
    );
    return 0;
  });
}

/** @throws when the connection is lost before the commit was sent: then nothing was written. */
async function commit(
  { counts }: Pick<Writer, 'counts'>,
  client: pg.Client,
  write: () => Promise<number>,
): Promise<number | 'refused' | typeof uncertain> {
  let rows: number;
  try {
    await client.query('begin');
    rows = await write();
  } catch (error) {
    counts.refused += 1;
    await client.query('rollback');
    if (error instanceof pg.DatabaseError) return 'refused';
    throw error;
  }
  try {
    await client.query('commit');
    counts.acknowledged += 1;
    return rows;
  } catch {
    counts.uncertain += 1;
    return uncertain;
  }
}

function uuid(random: Random): string {
  return `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-8${hex(random, 3)}-${hex(random, 12)}`;
}
