/** Why a resync is not begun, or was given up. */
export const resyncErrors = {
  RESYNC_TABLE_UNKNOWN: 'Name a table of the sync map with its schema, like public.pupil.',
  RESYNC_KEY_INVALID: 'Give the whole primary key as JSON, like {"id":"…"}, together with --table.',
  RESYNC_RUNNING: 'Look at it with `skooly-edge resync`, or end it with `skooly-edge resync --cancel`.',
  RESYNC_NOT_READY: 'Wait until the box holds its first copy.',
} as const;

export type ResyncErrorCode = keyof typeof resyncErrors;

export class ResyncError extends Error {
  readonly code: ResyncErrorCode;
  readonly advice: string;

  constructor(code: ResyncErrorCode, message: string) {
    super(message);
    this.name = 'ResyncError';
    this.code = code;
    this.advice = resyncErrors[code];
  }
}
