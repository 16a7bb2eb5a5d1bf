/** Errors of keys: a stable code, a plain sentence, and one sentence of advice. FORMAT.md lists them. */
export const keyErrors = {
  KEY_UNREADABLE: 'Export the public key anew with gpg --armor --export FINGERPRINT.',
  KEY_NOT_ONE: 'Export one key alone, by its fingerprint, so that nobody has to guess which one is meant.',
  KEY_PRIVATE:
    'Delete this file from this machine, and export the public key alone with gpg --armor --export.',
  KEY_REVOKED: 'Enrol the key that replaced the revoked one.',
  KEY_EXPIRED: 'Move the expiry date with gpg --quick-set-expire, or make a new key, and enrol it again.',
  KEY_EXPIRES_SOON:
    'Move the expiry date with gpg --quick-set-expire for key and subkeys, and export it again.',
  KEY_CANNOT_ENCRYPT: 'Add a subkey for encryption with gpg --quick-add-key, and export the key again.',
  KEY_WEAK: 'Make a new key with gpg --quick-generate-key: Curve25519, or RSA of 3072 bits or more.',
  KEY_NEEDS_NEWER_GPG:
    'Make the key with gpg 2.2 or 2.4 as it comes, so that stock gpg opens what is sealed for it.',
  KEY_NOT_PRIVATE: 'Name the file of the private key, exported with gpg --armor --export-secret-keys.',
  KEY_FILE_OPEN:
    'Take the file from everybody else with chmod 600, and make a new key if others could read it.',
  KEY_FILE_EXISTS: 'Keep the manifest key that is there, since what it signed stays valid under it alone.',
  KEY_FILE_INVALID:
    'Restore the file of the manifest key, or make a new key and enrol it with the administrator.',
} as const;

export type KeyErrorCode = keyof typeof keyErrors;

export class KeyError extends Error {
  readonly code: KeyErrorCode;
  readonly advice: string;

  constructor(code: KeyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KeyError';
    this.code = code;
    this.advice = keyErrors[code];
  }
}
