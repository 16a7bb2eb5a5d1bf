/** Why a restore is refused or was given up. Each has an exit code of its own, so that a script can tell them apart. */
export const restoreErrors = {
  RESTORE_TARGET_INVALID: {
    exit: 2,
    advice:
      'Give the moment with its zone, such as "2026-11-23 10:31:59 Africa/Douala" or 2026-11-23T09:31:59Z.',
  },
  RESTORE_NO_BASE: {
    exit: 10,
    advice: 'Choose a later moment, or restore a dump: `skooly-backup list` shows what there is.',
  },
  RESTORE_NO_DUMP: { exit: 10, advice: 'Choose another day: `skooly-backup list --kind dump` shows them.' },
  RESTORE_NOT_REACHED: {
    exit: 11,
    advice: 'Choose an earlier moment, or --latest: `skooly-backup list` shows how far the WAL goes.',
  },
  RESTORE_WAL_GAP: {
    exit: 12,
    advice: 'Choose a moment before the gap, or after the base that follows it.',
  },
  RESTORE_FOLDER_NOT_EMPTY: { exit: 13, advice: 'Name a folder that does not exist yet, or is empty.' },
  RESTORE_FOLDER_UNUSABLE: {
    exit: 13,
    advice: 'Name a folder on a disk with room, that the user of the Postgres server can enter.',
  },
  RESTORE_POSTGRES_MISSING: { exit: 14, advice: 'Install that major version: https://apt.postgresql.org' },
  RESTORE_OBJECT_DAMAGED: {
    exit: 15,
    advice:
      'Try the other region with --region; if both are damaged, choose an earlier base with --base, or another moment.',
  },
  RESTORE_OBJECT_UNREACHABLE: {
    exit: 16,
    advice: 'Check the network and the credentials of the regions, then begin again.',
  },
  RESTORE_BASE_DAMAGED: {
    exit: 17,
    advice: 'Restore the same moment from an earlier base: --base; `skooly-backup list` shows them.',
  },
  RESTORE_POSTGRES_FAILED: { exit: 18, advice: 'Read the log of the server that the message names.' },
  RESTORE_TARGET_MISSED: {
    exit: 19,
    advice: 'Do not use this database. Keep the folder and its log, and ask for help.',
  },
  RESTORE_DUMP_FAILED: { exit: 20, advice: 'Do not use this database; try the dump of another day.' },
  RESTORE_DATA_DIFFERS: {
    exit: 21,
    advice: 'Do not use this database; try another backup, and keep this one for the search.',
  },
} as const;

export type RestoreErrorCode = keyof typeof restoreErrors;

export class RestoreError extends Error {
  readonly code: RestoreErrorCode;
  readonly advice: string;
  readonly exitCode: number;

  constructor(code: RestoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RestoreError';
    this.code = code;
    this.advice = restoreErrors[code].advice;
    this.exitCode = restoreErrors[code].exit;
  }
}
