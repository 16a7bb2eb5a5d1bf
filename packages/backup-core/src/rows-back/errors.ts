/** Why deleted rows were not brought back. In every case the live database is as it was. */
export const rowsBackErrors = {
  ROWS_BACK_TABLE_UNKNOWN: {
    exit: 30,
    advice:
      'Name a table with its schema, such as public.users. A table that was dropped: see RESTORE.md, "A dropped table".',
  },
  ROWS_BACK_NO_KEY: {
    exit: 31,
    advice: 'Compare by hand: without a primary key no row can be told from another.',
  },
  ROWS_BACK_COLUMN_GONE: {
    exit: 32,
    advice: 'Add the column again, or copy the rows by hand: their values would be lost.',
  },
  ROWS_BACK_ALTERED: {
    exit: 33,
    advice: 'Disable the trigger of the table while the rows are brought back.',
  },
  ROWS_BACK_FAILED: {
    exit: 34,
    advice: 'Nothing was changed. Put right what Postgres names, then try again.',
  },
} as const;

export type RowsBackErrorCode = keyof typeof rowsBackErrors;

export class RowsBackError extends Error {
  readonly code: RowsBackErrorCode;
  readonly advice: string;
  readonly exitCode: number;

  constructor(code: RowsBackErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RowsBackError';
    this.code = code;
    this.advice = rowsBackErrors[code].advice;
    this.exitCode = rowsBackErrors[code].exit;
  }
}
