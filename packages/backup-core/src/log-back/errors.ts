/** Why a sync log was not brought back. Nothing was written. */
export const syncLogErrors = {
  SYNC_LOG_MISSING: {
    exit: 40,
    advice: '`skooly-backup list --kind sync-log --json` shows every range that there is.',
  },
  SYNC_LOG_GAP: {
    exit: 41,
    advice:
      'Bring back what follows with --from: it is enough when the cloud has everything before it, which adopt-log checks.',
  },
  SYNC_LOG_DIFFERS: {
    exit: 42,
    advice:
      'Two machines have backed up one log: read the manifest as it was before with --up-to, and ask for help.',
  },
  SYNC_LOG_FILE: { exit: 43, advice: 'Name a file that is not there yet, where this user may write.' },
} as const;

export type SyncLogErrorCode = keyof typeof syncLogErrors;

export class SyncLogError extends Error {
  readonly code: SyncLogErrorCode;
  readonly advice: string;
  readonly exitCode: number;

  constructor(code: SyncLogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SyncLogError';
    this.code = code;
    this.advice = syncLogErrors[code].advice;
    this.exitCode = syncLogErrors[code].exit;
  }
}
