/**
 * What Skooly refuses, and how it says so. `SkoolyError` answers a request: its code is in the catalogue, which holds
 * the sentences for people in both languages. `SkoolyStartError` ends a command: one sentence for the operator.
 */
import { type ErrorCode, errorCatalogue } from './error-catalogue.ts';

export type Language = 'fr' | 'en';

export interface ErrorAnswer {
  code: ErrorCode;
  message: string;
  advice?: string;
}

export class SkoolyError extends Error {
  readonly code: ErrorCode;
  /** What the sentence is about, such as the field of a request; shown after the sentence. */
  readonly detail: string | undefined;

  constructor(code: ErrorCode, options: ErrorOptions & { detail?: string } = {}) {
    super(options.detail ? `${code}: ${options.detail}` : code, options);
    this.name = 'SkoolyError';
    this.code = code;
    this.detail = options.detail;
  }

  get status(): number {
    return errorCatalogue[this.code].status;
  }

  answer(language: Language): ErrorAnswer {
    const entry = errorCatalogue[this.code];
    const message = this.detail ? `${entry[language]} (${this.detail})` : entry[language];
    const advice = entry.advice?.[language];
    return { code: this.code, message, ...(advice && { advice }) };
  }
}

export type StartErrorCode =
  | 'CANNOT_LISTEN'
  | 'CONFIG_INVALID'
  | 'DATABASE_AWAY'
  | 'MIGRATION_CHANGED'
  | 'MIGRATION_FAILED'
  | 'NOT_MIGRATED'
  | 'SEED_IN_CLOUD_ONLY';

export class SkoolyStartError extends Error {
  readonly code: StartErrorCode;

  constructor(code: StartErrorCode, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = 'SkoolyStartError';
    this.code = code;
  }
}

/** The sentence for the operator, or undefined when the error is a bug that deserves its stack. */
export function operatorSentence(error: unknown): string | undefined {
  return error instanceof SkoolyStartError ? error.message : undefined;
}
