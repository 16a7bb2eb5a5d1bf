/** What the box needs to follow the cloud's schema: the owner's connection and the release key, both or neither. */
import type { KeyObject } from 'node:crypto';
import { ConfigError } from './errors.ts';
import type { FieldValues } from './fields.ts';
import { Secret } from './secret.ts';

export interface MigrationConfig {
  /** Of the role that owns the tables; carries a password. */
  databaseUrl: Secret;
  /** Ed25519: what migrations are signed with. Not the key that the relay signs its health with. */
  releaseKey: KeyObject;
}

type Field = 'EDGE_MIGRATION_DATABASE_URL' | 'EDGE_RELEASE_PUBLIC_KEY_FILE';

/** @throws ConfigError when one of the two is missing. */
export function readMigrationAccess(
  values: Pick<FieldValues, Field>,
  readPublicKey: (field: Field, path: string) => KeyObject,
): MigrationConfig | null {
  const { EDGE_MIGRATION_DATABASE_URL: url, EDGE_RELEASE_PUBLIC_KEY_FILE: keyFile } = values;
  if (url === undefined && keyFile === undefined) return null;
  if (url === undefined || keyFile === undefined) {
    const [set, missing] =
      url === undefined
        ? (['EDGE_RELEASE_PUBLIC_KEY_FILE', 'EDGE_MIGRATION_DATABASE_URL'] as const)
        : (['EDGE_MIGRATION_DATABASE_URL', 'EDGE_RELEASE_PUBLIC_KEY_FILE'] as const);
    throw new ConfigError(missing, `is not set, but ${set} is`, 'set both, or neither');
  }
  return { databaseUrl: new Secret(url), releaseKey: readPublicKey('EDGE_RELEASE_PUBLIC_KEY_FILE', keyFile) };
}
