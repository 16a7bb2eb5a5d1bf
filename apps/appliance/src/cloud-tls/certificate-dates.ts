/** What the dates of a certificate are held against. Pure. */

export interface Dates {
  notBefore: Date;
  notAfter: Date;
}

/** The certificate that a server shows. */
export interface Leaf extends Dates {
  /** SHA-256 of the whole certificate, lower-case hex. */
  fingerprint: string;
}

/** What the cloud says of itself, signed. */
export interface Word {
  timeMs: number;
  certificates: ReadonlySet<string>;
}

/** The operators of the cloud are asked to look when less is left. */
const warnDays = 14;
const dayMs = 86_400_000;

/** @returns why the certificate is not to be believed on this word; null: it is. */
export function wordAgainst({ fingerprint, notBefore, notAfter }: Leaf, word: Word): string | null {
  if (!word.certificates.has(fingerprint)) return 'the certificate is not one that the relay vouches for';
  const now = new Date(word.timeMs).toISOString();
  if (word.timeMs > notAfter.getTime())
    return `the certificate has run out on ${notAfter.toISOString()}, and it is ${now} by the cloud's clock`;
  if (word.timeMs < notBefore.getTime())
    return `the certificate is valid from ${notBefore.toISOString()}, and it is ${now} by the cloud's clock`;
  return null;
}

/** @param reachedMs A time that surely was reached; null: none is known. */
export function outdated({ notAfter }: Dates, reachedMs: number | null): string | null {
  if (reachedMs === null || reachedMs <= notAfter.getTime()) return null;
  return `the certificate has run out on ${notAfter.toISOString()}, whatever this box's clock says`;
}

/** What somebody should be told of a certificate that is still good; null: nothing. */
export function soonOutdated({ notAfter }: Dates, nowMs: number): string | null {
  const daysLeft = Math.floor((notAfter.getTime() - nowMs) / dayMs);
  if (daysLeft >= warnDays) return null;
  const day = notAfter.toISOString().slice(0, 10);
  return `The relay's certificate runs out on ${day}: the operators of the cloud have to renew it.`;
}
