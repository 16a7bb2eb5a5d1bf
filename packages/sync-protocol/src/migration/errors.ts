/** Why a migration is not applied: a stable code, a sentence, and one sentence of advice for the operator. */
export const migrationErrors = {
  MIGRATION_INVALID: 'Give a file of SQL with a name such as 004-house.sql, numbered from 1.',
  MIGRATION_SIGNATURE:
    'Publish it again with the release key whose public half the boxes were given; nothing of it was run.',
  MIGRATION_GAP:
    'Publish the missing migrations, or bring this database to their number and prepare it again.',
  MIGRATION_CHANGED: 'A migration that ran is never edited: publish the change as a new one.',
  MIGRATION_NOT_ATOMIC:
    'Take BEGIN, COMMIT and ROLLBACK out of the file: a migration runs in one transaction that also records it.',
  MIGRATION_FAILED: 'Nothing of it was kept. Correct what the sentence names; it is tried again by itself.',
  MIGRATION_WAITS: 'Other transactions hold the tables; it gave way to them and is tried again by itself.',
  MIGRATION_FORBIDDEN:
    'Give the connection of the role that owns the tables, and run the prepare command again so that it may record.',
  MIGRATION_WRITES_ROWS:
    'Publish structure only, and write rows in the cloud afterwards: they travel to every campus like any others.',
  MIGRATION_DEFAULT_VARIES:
    'Add the column with a constant default or none, and set the other default in a statement of its own.',
  MIGRATION_NOT_SET_UP:
    'Give the box EDGE_MIGRATION_DATABASE_URL and EDGE_RELEASE_PUBLIC_KEY_FILE, or run the migration there by hand.',
} as const;

export type MigrationErrorCode = keyof typeof migrationErrors;

export class MigrationError extends Error {
  readonly code: MigrationErrorCode;
  readonly advice: string;

  constructor(code: MigrationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MigrationError';
    this.code = code;
    this.advice = migrationErrors[code];
  }
}
