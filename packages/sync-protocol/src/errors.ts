/**
 * Errors of the protocol: a stable code, a plain sentence, and one sentence of advice for the operator.
 * PROTOCOL.md lists the codes; a test holds the two together.
 */
export const errorCatalogue = {
  BATCH_MALFORMED:
    'Update the box and the relay to versions that speak the same protocol, and send the batch again.',
  BATCH_TOO_LARGE: 'Send fewer transactions in one batch.',
  SYNC_MAP_INVALID: 'Correct the named field in the sync map.',
  SCHEMA_MISMATCH: 'Bring the database schema and the sync map into line, then start again.',
  WAL_LEVEL: 'Set wal_level = logical in postgresql.conf and restart Postgres.',
  COMMIT_TIMESTAMPS: 'Set track_commit_timestamp = on in postgresql.conf and restart Postgres.',
  POSTGRES_VERSION: 'Use PostgreSQL 15 or later.',
  SLOT_MISSING:
    'Run the prepare command again, then a resync, since changes made without the slot were not seen.',
  NOT_PREPARED: 'Run the prepare command on this database first.',
  CAPTURE_STOPPED: 'Look at the log for the cause; capture starts again by itself once it is gone.',
} as const;

export type SyncErrorCode = keyof typeof errorCatalogue;

export class SyncError extends Error {
  readonly code: SyncErrorCode;
  readonly advice: string;

  constructor(code: SyncErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SyncError';
    this.code = code;
    this.advice = errorCatalogue[code];
  }
}
