/** An error on its way from one thread to the other: what crosses keeps its code, and becomes the same typed error over there. */
import { SealError, type SealErrorCode, sealErrors } from '../seal/errors.ts';
import { SourceError, type SourceErrorCode, sourceErrors } from '../source/errors.ts';

export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly code: string | null;
  readonly cause: WireError | null;
}

export function toWire(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), code: null, cause: null };
  const { name, message, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    name,
    message,
    code: typeof code === 'string' ? code : null,
    cause: cause === undefined ? null : toWire(cause),
  };
}

export function fromWire({ name, message, code, cause }: WireError): Error {
  const options = cause === null ? {} : { cause: fromWire(cause) };
  if (name === 'SealError' && code !== null && code in sealErrors)
    return new SealError(code as SealErrorCode, message, options);
  if (name === 'SourceError' && code !== null && code in sourceErrors)
    return new SourceError(code as SourceErrorCode, message, options);
  const error = Object.assign(new Error(message, options), code === null ? {} : { code });
  error.name = name;
  return error;
}
