export const enrolErrors = {
  NOT_ENROLLED:
    'Have a code made in the cloud with `skooly-relay pair`, then run `skooly-edge enrol --code CODE` here.',
  KEY_UNREADABLE: 'Let the user of the appliance read it, or move it away and enrol the box anew.',
  NOT_CONFIRMED:
    'Nothing is lost: the box goes on by itself as soon as an administrator confirms it. Compare the fingerprints first.',
  ENROL_OPTIONS: 'Set EDGE_CAMPUS, EDGE_RELAY_URL and EDGE_STATE_DIR, or give them as options.',
} as const;

export class EnrolError extends Error {
  readonly code: keyof typeof enrolErrors;
  readonly advice: string;

  constructor(code: keyof typeof enrolErrors, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EnrolError';
    this.code = code;
    this.advice = enrolErrors[code];
  }
}
