/** What can go wrong with the lab, each with a stable word. */
export type LabErrorCode =
  | 'POSTGRES_MISSING'
  | 'POSTGRES_TOO_OLD'
  | 'POSTGRES_USER_MISSING'
  | 'POSTGRES_START_FAILED'
  | 'PORT_TAKEN'
  | 'DISK_FULL'
  | 'LAB_RUNNING'
  | 'LAB_NOT_RUNNING'
  | 'PROCESS_FAILED'
  | 'STEP_FAILED'
  | 'DATABASE_INVALID'
  | 'OPTION_INVALID';

/** An error for a person: the message says what happened, the advice what to do about it. */
export class LabError extends Error {
  readonly code: LabErrorCode;
  readonly advice: string;

  constructor(code: LabErrorCode, message: string, advice: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LabError';
    this.code = code;
    this.advice = advice;
  }
}

/** Whether an error of Node's says that the disk has no room left. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
