/** What an error of Postgres means to the person who asked. Undefined: a bug, which keeps its stack. */

import type { ErrorCode } from '../error-catalogue.ts';
import { SkoolyError } from '../errors.ts';

const byConstraint: Record<string, ErrorCode> = {
  pupil_matricule_key: 'MATRICULE_TAKEN',
  payment_operator_transaction_key: 'OPERATOR_TRANSACTION_USED',
  payment_reverses_key: 'ALREADY_REVERSED',
};

const crossed = new Set(['40001', '40P01', '55P03']);
/** Integrity violations: not null, foreign key, unique, check, exclusion. */
const integrityClass = '23';
/** A value that Postgres cannot hold, such as a NUL in a text. */
const dataClass = '22';
/** Connection exception, operator intervention, insufficient resources, read-only or recovering server. */
const awayClasses = ['08', '57', '53', '25006'];
const awaySystemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EHOSTUNREACH',
]);
/** `pg` reports these without a code. */
const awayMessage =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable/;

export function refusalOf(error: unknown): SkoolyError | undefined {
  if (error instanceof SkoolyError) return error;
  if (!(error instanceof Error)) return undefined;
  const { code = '', constraint = '' } = error as Error & { code?: string; constraint?: string };
  if (crossed.has(code)) return new SkoolyError('TRY_AGAIN', { cause: error });
  if (isSqlState(code, dataClass))
    return new SkoolyError('REQUEST_INVALID', { detail: error.message, cause: error });
  if (isSqlState(code, integrityClass)) {
    return new SkoolyError(byConstraint[constraint] ?? 'ROW_REFUSED', { cause: error });
  }
  const away =
    awaySystemCodes.has(code) ||
    awayMessage.test(error.message) ||
    awayClasses.some((prefix) => isSqlState(code, prefix));
  return away ? new SkoolyError('DATABASE_AWAY', { cause: error }) : undefined;
}

function isSqlState(code: string, prefix: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && code.startsWith(prefix);
}
