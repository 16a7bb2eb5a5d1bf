/** Errors of the manifest: a stable code, a plain sentence that names what is wrong, and one sentence of advice. */
export const manifestErrors = {
  MANIFEST_EMPTY: 'Check the site, the bucket and the endpoint, and look at the other region.',
  MANIFEST_TRUNCATED: 'Read the manifest of the other region, and copy this entry from there.',
  MANIFEST_ALTERED: 'Read the manifest of the other region, and find out who can write into this bucket.',
  MANIFEST_UNTRUSTED:
    'Compare the fingerprint with the printed kit, and find out who can write into this bucket.',
  MANIFEST_SWAPPED: 'Read the manifest of the other region, and find out who can write into this bucket.',
  MANIFEST_GAP: 'Read the manifest of the other region, or only as far as the chain is whole with --up-to.',
  MANIFEST_BROKEN_CHAIN:
    'Read the manifest of the other region, or only as far as the chain is whole with --up-to.',
  MANIFEST_FORKED:
    'Find the second machine that backs up as this site, stop it, and read with --up-to before the fork.',
  MANIFEST_OLDER: 'Use the region that is further on, since this one lacks entries or was set back.',
  MANIFEST_PAGE: 'Read the manifest of the other region, or an earlier checkpoint with --up-to.',
  MANIFEST_TWO_WRITERS:
    'Find the second machine that backs up as this site and stop it, then adopt the manifest anew.',
  MANIFEST_STATE: 'Adopt the manifest from the regions, since what this machine remembers of it is damaged.',
} as const;

export type ManifestErrorCode = keyof typeof manifestErrors;

export class ManifestError extends Error {
  readonly code: ManifestErrorCode;
  readonly advice: string;
  /** What is wrong, by its name in the region. */
  readonly object: string;

  constructor(code: ManifestErrorCode, object: string, message: string, options?: ErrorOptions) {
    super(`${object}: ${message}`, options);
    this.name = 'ManifestError';
    this.code = code;
    this.object = object;
    this.advice = manifestErrors[code];
  }
}
