/** Every bound of the admission, with what happens at it. */
export interface AdmissionLimits {
  /** Batches that are unpacked and applied at once; further ones wait, compressed. */
  working: number;
  /** Batches of one campus; with one more, those of it that wait are told to come again: a box sends no more than so many. */
  perCampus: number;
  /** Batches that arrive, wait and are worked on; one more is told to come again, or the one that came last is. */
  guests: number;
  /** Their compressed bodies together; the same happens. A single larger one is let in when nobody else is there. */
  bodyBytes: number;
  /** A batch waits for its turn this long; then it is told to come again, before a proxy loses patience with it. */
  waitMs: number;
  /** The longest that a campus is told to stay away. */
  maxRetryAfterSeconds: number;
}

export const defaultAdmissionLimits: AdmissionLimits = {
  working: 4,
  perCampus: 8,
  guests: 512,
  bodyBytes: 64 * 1024 * 1024,
  waitMs: 20_000,
  maxRetryAfterSeconds: 60,
};
