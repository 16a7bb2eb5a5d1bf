export const cloudTlsErrors = {
  CERTIFICATE_UNTRUSTED:
    'If the cloud has an authority of its own, name its certificate in EDGE_CLOUD_CA_FILE; otherwise something stands between this box and the cloud.',
  CERTIFICATE_OTHER_HOST: 'Correct EDGE_RELAY_URL, or have a certificate made for this name.',
  CERTIFICATE_DATES:
    "Look at the certificate's dates in the cloud; if they are right, set this box's clock (timedatectl set-time), or have the relay vouch for the certificate (RELAY_TLS_VOUCHED_CERT_FILES).",
} as const;

/** TLS with the cloud cannot be had. Permanent until somebody does something; trying again does no harm. */
export class CloudTlsError extends Error {
  readonly code: keyof typeof cloudTlsErrors;
  readonly advice: string;

  constructor(code: keyof typeof cloudTlsErrors, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CloudTlsError';
    this.code = code;
    this.advice = cloudTlsErrors[code];
  }
}

const dates = new Set(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']);

const untrusted = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
  'INVALID_PURPOSE',
]);

/** Whether OpenSSL refused a certificate for its dates; what else is wrong with it may be hidden behind that. */
export function isAboutDates(error: unknown): boolean {
  return dates.has((error as { code?: string }).code ?? '');
}

/** In words for an operator, where it is about the certificate; anything else stays as it is. */
export function explain(cause: Error & { code?: string }, host: string): Error {
  if (cause.code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return new CloudTlsError('CERTIFICATE_OTHER_HOST', `${host}: the certificate is for another host.`, {
      cause,
    });
  if (!untrusted.has(cause.code ?? '')) return cause;
  const message = `${host}: the certificate is not from an authority that this box believes.`;
  return new CloudTlsError('CERTIFICATE_UNTRUSTED', message, { cause });
}
