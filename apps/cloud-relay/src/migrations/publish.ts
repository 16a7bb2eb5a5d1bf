/**
 * Publishes a migration: signs it with the release key, runs it in the cloud (unless the application has run it there), and
 * records it, all in one transaction, so that no box can be ahead of its cloud. From then on boxes fetch it.
 *
 * To publish the same file again changes nothing. The release key is read for this and kept nowhere.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import {
  applyMigration,
  MigrationError,
  parseSyncMap,
  readMigration,
  type SignedMigration,
  type SyncMap,
  sessionConfig,
  signMigration,
} from '@skooly-edge/sync-protocol';
import { Client } from 'pg';

export interface PublishOptions {
  file: string;
  /** PEM file of the Ed25519 release key. */
  keyFile: string;
  /** Connection of the role that owns the tables. */
  ownerUrl: string;
  /** File of the sync map from this migration on; null: the one in force stays. */
  syncMapFile: string | null;
  /** The relay's own sync map, in force as long as no migration has brought one. */
  ownMap(): SyncMap;
}

export type PublishOutcome = 'applied' | 'recorded' | 'unchanged';

/** @throws MigrationError, SyncError SYNC_MAP_INVALID; nothing is published then. */
export async function publishMigration(options: PublishOptions): Promise<PublishOutcome> {
  const syncMap = options.syncMapFile === null ? null : readText(options.syncMapFile);
  const migration = readMigration(basename(options.file), readText(options.file), syncMap);
  const signed = signMigration(migration, readReleaseKey(options.keyFile));
  const map = syncMap === null ? options.ownMap() : parseSyncMap(parseJson(syncMap, options.syncMapFile));
  if (await isPublished(options.ownerUrl, signed)) return 'unchanged';
  return applyMigration(options.ownerUrl, signed, map);
}

async function isPublished(
  ownerUrl: string,
  { number, name, sql, syncMap }: SignedMigration,
): Promise<boolean> {
  const client = new Client(sessionConfig(ownerUrl, { applicationName: 'skooly-relay publish-migration' }));
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; sql: string; sync_map: string | null }>(
      'SELECT name, sql, sync_map FROM sync.migration WHERE number = $1',
      [number],
    );
    const [known] = rows;
    if (!known) return false;
    if (known.name === name && known.sql === sql && known.sync_map === syncMap) return true;
    throw new MigrationError('MIGRATION_CHANGED', `Number ${number} is taken here (${known.name}).`);
  } finally {
    await client.end();
  }
}

function readReleaseKey(path: string): KeyObject {
  try {
    const key = createPrivateKey(readText(path));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    if (cause instanceof MigrationError) throw cause;
    throw new MigrationError('MIGRATION_INVALID', `${path} holds no private key in PEM.`, { cause });
  }
  throw new MigrationError('MIGRATION_INVALID', `${path} holds a key that is not Ed25519.`);
}

function parseJson(text: string, path: string | null): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MigrationError('MIGRATION_INVALID', `${path} is not JSON.`, { cause });
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new MigrationError('MIGRATION_INVALID', `${path} cannot be read (${code}).`, { cause });
  }
}
