/** Why the log of another box is not taken in, with a stable code and one sentence of advice for the technician. */
export type AdoptErrorCode = 'LOG_NOT_FOUND' | 'LOG_UNREADABLE' | 'LOG_BEGINS_LATE' | 'LOG_IS_OWN';

export class AdoptError extends Error {
  readonly code: AdoptErrorCode;
  readonly advice: string;

  constructor(code: AdoptErrorCode, message: string, advice: string) {
    super(message);
    this.name = 'AdoptError';
    this.code = code;
    this.advice = advice;
  }
}
