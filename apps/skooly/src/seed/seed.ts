/**
 * Fills an empty cloud database with lab schools: made up from a seed number, then inserted in one transaction, so a
 * seed that was interrupted left nothing. A database that has a school is left as it is.
 */
import type { Database, Queryable } from '../database/database.ts';
import { SkoolyStartError } from '../errors.ts';
import { hashPassword } from '../session/password.ts';
import { curriculumRows, generateCampus } from './generate.ts';
import { type CampusPlan, defaultCampuses, plansFor, type SeedSize } from './plans.ts';
import { seededRandom } from './random.ts';
import { type SeedRows, type SeedTable, seedTables } from './rows.ts';

export { defaultCampuses, mostCampuses, type SeedSize, seedSizes } from './plans.ts';

export const defaultSeedNumber = 20_250_908;
/** Every person of a seeded school logs in with this. For the lab only: the hash is cheap and the word is public. */
export const labPassword = 'craie-bleue';

const labPasswordCost = 2 ** 10;
const rowsPerInsert = 4_000;
const undefinedTable = '42P01';

/** @returns how many rows each table got; undefined when the database has a school already. */
export async function seed(
  database: Database,
  options: { size: SeedSize; seedNumber: number; campuses?: number },
): Promise<Record<SeedTable, number> | undefined> {
  const rows = await generateSchools(
    plansFor(options.size, options.campuses ?? defaultCampuses),
    options.seedNumber,
  );
  return database.transaction(async (client) => {
    if (await hasSchool(client)) return undefined;
    for (const table of seedTables) await insertAll(client, table, rows[table]);
    return Object.fromEntries(seedTables.map((table) => [table, rows[table].length])) as Record<
      SeedTable,
      number
    >;
  });
}

export async function generateSchools(
  campuses: readonly CampusPlan[],
  seedNumber: number,
): Promise<SeedRows> {
  const passwordHash = await hashPassword(labPassword, labPasswordCost, Buffer.from('skooly-lab-salt!'));
  const rows = curriculumRows();
  campuses.forEach((plan, index) => {
    const made = generateCampus(plan, { random: seededRandom(seedNumber + index), passwordHash });
    for (const table of seedTables) for (const row of made[table]) rows[table].push(row);
  });
  return rows;
}

async function hasSchool(client: Queryable): Promise<boolean> {
  try {
    await client.query('lock table campus in exclusive mode');
  } catch (cause) {
    if ((cause as { code?: string }).code !== undefinedTable) throw cause;
    throw new SkoolyStartError(
      'NOT_MIGRATED',
      'The database has no tables yet: run `skooly migrate` first.',
      { cause },
    );
  }
  return (await client.query('select 1 from campus limit 1')).rowCount !== 0;
}

/** The column order of the JSON does not matter: Postgres takes the row apart by name. */
async function insertAll(client: Queryable, table: SeedTable, rows: readonly object[]): Promise<void> {
  for (let start = 0; start < rows.length; start += rowsPerInsert) {
    const part = JSON.stringify(rows.slice(start, start + rowsPerInsert));
    await client.query(
      `insert into ${table} select * from json_populate_recordset(null::${table}, $1::json)`,
      [part],
    );
  }
}
