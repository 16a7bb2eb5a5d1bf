/** What the relay answers when it refuses: an HTTP status, a stable code, a sentence, and advice for the operator. */
export const relayErrors = {
  UNAUTHENTICATED: { status: 401, advice: 'Open a new session; a box does so by itself.' },
  PROOF_INVALID: {
    status: 401,
    advice: 'Ask for a new challenge and sign that; if it goes on, enrol the box again.',
  },
  PAIRING_REFUSED: {
    status: 403,
    advice: 'Look at the code and the campus again, or have a new code made with `skooly-relay pair`.',
  },
  BOX_UNKNOWN: {
    status: 403,
    advice: 'Have a code made with `skooly-relay pair`, and run `skooly-edge enrol` on the box.',
  },
  BOX_PENDING: {
    status: 403,
    advice: 'Compare the fingerprint that the box shows, and run `skooly-relay confirm`.',
  },
  BOX_REVOKED: {
    status: 403,
    advice: 'If it is to be trusted again, have a code made with `skooly-relay pair`, and enrol it anew.',
  },
  REQUEST_INVALID: {
    status: 400,
    advice: 'Update the box: it sent a request that this relay does not understand.',
  },
  BATCH_MALFORMED: {
    status: 400,
    advice: 'Update the box and the relay to versions that speak the same protocol.',
  },
  BATCH_TOO_LARGE: { status: 413, advice: 'Send fewer transactions in one batch.' },
  SEQ_GAP: {
    status: 409,
    advice: 'Ask for the cursor and send what follows it; if the log no longer has it, resync.',
  },
  FEED_TRIMMED: {
    status: 410,
    advice:
      'Nothing, if the box asks where it stands: it goes on behind what is gone, and resyncs by itself.',
  },
  EPOCH_UNKNOWN: {
    status: 409,
    advice: 'Resync the campus: the cloud does not know the history that its box has followed.',
  },
  SEAL_INVALID: {
    status: 403,
    advice: 'Do not trust what this box gives back: look at its log, and revoke it if it is not its own.',
  },
  RELAY_BUSY: { status: 429, advice: 'Nothing: the box comes again by itself, and keeps its place.' },
  FEED_NOT_READY: { status: 503, advice: 'Try again shortly: the feed of this campus is being set up.' },
  DATABASE_UNAVAILABLE: { status: 503, advice: 'Try again shortly: the cloud database does not answer.' },
  ELECTRIC_UNAVAILABLE: { status: 503, advice: 'Try again shortly: Electric does not answer.' },
  NOT_FOUND: { status: 404, advice: 'Check the address.' },
  INTERNAL: { status: 500, advice: "Look at the relay's log for the cause." },
} as const;

export type RelayErrorCode = keyof typeof relayErrors;

export class RelayError extends Error {
  readonly code: RelayErrorCode;
  readonly status: number;
  readonly advice: string;
  /** Further fields of the answer, such as the cursor. */
  readonly details: Record<string, unknown>;

  constructor(
    code: RelayErrorCode,
    message: string,
    details: Record<string, unknown> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'RelayError';
    this.code = code;
    this.status = relayErrors[code].status;
    this.advice = relayErrors[code].advice;
    this.details = details;
  }
}
