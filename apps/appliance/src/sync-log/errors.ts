/** What can be wrong with the sync log, with a stable code and one sentence of advice for the operator. */
export const logErrors = {
  LOG_TRIMMED:
    'Run a resync: what is asked for is older than what the log keeps (EDGE_LOG_KEEP_DAYS, EDGE_LOG_BUDGET_BYTES).',
  LOG_TOO_NEW:
    'Install the version of the appliance that wrote this log, or a later one; never an older one.',
  LOG_ACK_BEYOND_END: 'Run a resync: the cloud has transactions of this log that the log itself has lost.',
  LOG_FULL:
    'Make room on the disk of EDGE_STATE_DIR. Nothing is lost: Postgres keeps what is not in the log yet, and it is read as soon as there is room.',
} as const;

export type LogErrorCode = keyof typeof logErrors;

export class LogError extends Error {
  readonly code: LogErrorCode;
  readonly advice: string;

  constructor(code: LogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LogError';
    this.code = code;
    this.advice = logErrors[code];
  }
}

/** A disk without room has a name of its own; everything else stays what it is. */
export function asLogError(error: unknown): unknown {
  const { code = '' } = error as { code?: string };
  if (code !== 'SQLITE_FULL') return error;
  return new LogError('LOG_FULL', 'The disk of the sync log is full.', { cause: error });
}
