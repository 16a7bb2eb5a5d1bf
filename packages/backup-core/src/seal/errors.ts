/** Errors of sealing and opening: a stable code, a plain sentence, and one sentence of advice. FORMAT.md lists them. */
export const sealErrors = {
  SEAL_TARGET_EXISTS: 'Seal into a new file, since a sealed object is never written over.',
  SEAL_NO_RECIPIENTS: 'Enrol the administrator key and the recovery key before backups start.',
  SEAL_WRONG_KEY: 'Use the private key of one of the recipients that the manifest names for this object.',
  SEAL_PASSPHRASE: 'Enter the passphrase of the private key again, watching the keyboard layout.',
  SEAL_TRUNCATED: 'Discard what was read so far, and fetch the object again or from the other region.',
  SEAL_ALTERED: 'Discard what was read so far, and fetch the object again or from the other region.',
  SEAL_UNSUPPORTED: 'Open the file by hand with gpg --decrypt, since it was not written by this program.',
  SEAL_GPG: 'Check that gpg is installed, that its agent runs, and that the key is in this GNUPGHOME.',
  OBJECT_TRUNCATED: 'Discard what was read so far, and take the object from the other region.',
  OBJECT_ALTERED: 'Discard what was read so far, and take the object from the other region.',
  OBJECT_SWAPPED:
    'Discard what was read so far, take the object from the other region, and ask who writes here.',
} as const;

export type SealErrorCode = keyof typeof sealErrors;

export class SealError extends Error {
  readonly code: SealErrorCode;
  readonly advice: string;

  constructor(code: SealErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SealError';
    this.code = code;
    this.advice = sealErrors[code];
  }
}
