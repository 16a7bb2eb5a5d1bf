/** What can be wrong with the engine itself, with a stable code and one sentence of advice for the operator. */
export const backupErrors = {
  BACKUP_NO_ROOM:
    'Make room on the disk of the spool, or bring back the region that it waits for; dumps and bases go on by themselves then.',
  BACKUP_NO_REGION: 'Name the regions that backups go to; two, of two providers.',
} as const;

export type BackupErrorCode = keyof typeof backupErrors;

export class BackupError extends Error {
  readonly code: BackupErrorCode;
  readonly advice: string;

  constructor(code: BackupErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BackupError';
    this.code = code;
    this.advice = backupErrors[code];
  }
}
