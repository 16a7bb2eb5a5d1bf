/**
 * A migration as it travels: a numbered SQL file, the sync map that goes with the schema behind it if that is another one, and
 * the signature of whoever releases the school's application.
 *
 * The release key is not the relay's. The relay's own key lies on a machine that faces the internet and answers for who
 * the cloud is; whoever took it would otherwise be able to run SQL as the owner of the tables on every box. The release key signs at
 * the operator's desk, and no server has it.
 */
import { createHash, type KeyObject, sign, verify } from 'node:crypto';
import { MigrationError } from './errors.ts';

export interface Migration {
  /** Position in the order of the migrations; no gaps. */
  number: number;
  /** The file's name: `004-house.sql`. */
  name: string;
  sql: string;
  /** The sync map from this migration on, as JSON text; null: the one in force stays. */
  syncMap: string | null;
}

export interface SignedMigration extends Migration {
  /** base64 of an Ed25519 signature over `signedText`. */
  signature: string;
}

/** A larger file is refused before anything is read from it. */
export const maxMigrationBytes = 1024 * 1024;

const namePattern = /^(\d{1,6})-[A-Za-z0-9._-]{1,100}\.sql$/;

/** @throws MigrationError MIGRATION_INVALID */
export function readMigration(name: string, sql: string, syncMap: string | null): Migration {
  const digits = namePattern.exec(name)?.[1];
  if (digits === undefined || Number(digits) === 0) {
    throw new MigrationError('MIGRATION_INVALID', `${name} is no name of a migration such as 004-house.sql.`);
  }
  if (Buffer.byteLength(sql) + Buffer.byteLength(syncMap ?? '') > maxMigrationBytes) {
    throw new MigrationError('MIGRATION_INVALID', `${name} is larger than ${maxMigrationBytes} bytes.`);
  }
  return { number: Number(digits), name, sql, syncMap };
}

/** What is signed: everything that the box will act on, and a first line that no other signature of the system has. */
export function signedText({ number, name, sql, syncMap }: Migration): string {
  return `skooly-edge/migration/1\n${number}\n${name}\n${sha256(sql)}\n${syncMap === null ? '-' : sha256(syncMap)}`;
}

export function signMigration(migration: Migration, releaseKey: KeyObject): SignedMigration {
  return {
    ...migration,
    signature: sign(null, Buffer.from(signedText(migration)), releaseKey).toString('base64'),
  };
}

/** @throws MigrationError MIGRATION_INVALID, MIGRATION_SIGNATURE */
export function verifyMigration(signed: SignedMigration, releasePublicKey: KeyObject): void {
  const { number } = readMigration(signed.name, signed.sql, signed.syncMap);
  if (number !== signed.number) {
    throw new MigrationError('MIGRATION_INVALID', `${signed.name} is said to be number ${signed.number}.`);
  }
  const signature = Buffer.from(signed.signature, 'base64');
  if (!verify(null, Buffer.from(signedText(signed)), releasePublicKey, signature)) {
    throw new MigrationError(
      'MIGRATION_SIGNATURE',
      `${signed.name} is not signed by the release key of this box.`,
    );
  }
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
