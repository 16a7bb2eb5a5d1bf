/** What can be wrong with a source of backups, with a stable code and one sentence of advice for the operator. */
export const sourceErrors = {
  SOURCE_NO_BINARY:
    "Install the client programs of the server's own major version (postgresql-client-<major>), since a dump by another version fails or misleads.",
  SOURCE_FAILED: 'Read what the program said, put it right, and start the backup again.',
  SOURCE_STALLED:
    'Look whether a lock, a full disk or an archive that says no holds the server up, then start the backup again.',
  SOURCE_UNREACHABLE:
    'Start the Postgres server, or correct its address and the password of the backup role.',
  SOURCE_TABLESPACES:
    'Move what is in other tablespaces into the default one: a base backup is one stream and has room for one.',
  SOURCE_MISMATCH:
    'Check the disk of the Postgres server: what it sent differs from its own backup manifest. The backup was not kept.',
  SOURCE_SETTINGS:
    'Set what it names in postgresql.conf and restart Postgres; until then no WAL is archived.',
  SYNC_LOG_TRIMMED:
    'Nothing needs doing when the cloud has acknowledged what was trimmed; otherwise run a resync of this campus.',
} as const;

export type SourceErrorCode = keyof typeof sourceErrors;

export class SourceError extends Error {
  readonly code: SourceErrorCode;
  readonly advice: string;

  constructor(code: SourceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SourceError';
    this.code = code;
    this.advice = sourceErrors[code];
  }
}
