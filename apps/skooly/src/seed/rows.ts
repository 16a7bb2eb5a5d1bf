/** The rows of a seed, by table, in an order that satisfies the foreign keys. Values are as JSON hands them to Postgres. */
export const seedTables = [
  'campus',
  'subject',
  'staff',
  'period',
  'class',
  'pupil',
  'timetable_slot',
  'roll_call',
  'attendance',
  'assessment',
  'mark',
  'fee',
  'payment',
  'receipt',
] as const;

export type SeedTable = (typeof seedTables)[number];
export type SeedRow = Record<string, string | number | boolean | null>;
export type SeedRows = Record<SeedTable, SeedRow[]>;

export function noRows(): SeedRows {
  return Object.fromEntries(seedTables.map((table): [SeedTable, SeedRow[]] => [table, []])) as SeedRows;
}
