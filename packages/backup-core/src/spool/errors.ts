/** What can be wrong with the spool, with a stable code and one sentence of advice for the operator. */
export const spoolErrors = {
  SPOOL_TOO_NEW: 'Install the version that wrote this spool, or a later one; never an older one.',
  SPOOL_DIFFERENT:
    'Look at the disk of the spool: what was sealed is not what was taken. The plain file was kept.',
} as const;

export type SpoolErrorCode = keyof typeof spoolErrors;

export class SpoolError extends Error {
  readonly code: SpoolErrorCode;
  readonly advice: string;

  constructor(code: SpoolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SpoolError';
    this.code = code;
    this.advice = spoolErrors[code];
  }
}
