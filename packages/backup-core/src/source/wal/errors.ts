/** Why a WAL file is not taken, with a stable code and one sentence of advice for the operator. Postgres keeps the file and tries again. */
export const walErrors = {
  WAL_DIFFERENT:
    'Two servers archive under one name, or a server was restored without a new timeline: end the wrong one; nothing was overwritten.',
  WAL_FOREIGN: 'This WAL is of another server: correct archive_command there, or make a new site for it.',
  WAL_INCOMPLETE: 'Nothing needs doing: Postgres hands the file over again.',
  WAL_NAME:
    'Use the archive_command that this program states; it hands over files of pg_wal under their own names.',
  WAL_SPOOL_FULL:
    'Make room on the disk of the spool, or bring a region back: Postgres keeps its WAL meanwhile, and its disk fills.',
  WAL_REFUSED: 'Let the user of the Postgres server read the access file that this program writes.',
} as const;

export type WalErrorCode = keyof typeof walErrors;

const statusCodes: Record<WalErrorCode, number> = {
  WAL_DIFFERENT: 409,
  WAL_FOREIGN: 409,
  WAL_INCOMPLETE: 400,
  WAL_NAME: 400,
  WAL_SPOOL_FULL: 503,
  WAL_REFUSED: 401,
};

export class WalError extends Error {
  readonly code: WalErrorCode;
  readonly advice: string;
  /** For fastify. */
  readonly statusCode: number;

  constructor(code: WalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WalError';
    this.code = code;
    this.advice = walErrors[code];
    this.statusCode = statusCodes[code];
  }
}
