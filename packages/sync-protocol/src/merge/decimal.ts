/** Exact arithmetic and order of Postgres's numbers in text form: no digit is lost, whatever the scale. */

/** Digits of the fraction, and the number without its point. */
interface Decimal {
  unscaled: bigint;
  scale: number;
}

const pattern = /^([+-]?)(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,3}))?$/i;

/** @returns null for NaN, the infinities, and what is no number. */
function parse(text: string): Decimal | null {
  const match = pattern.exec(text);
  if (!match) return null;
  const [, sign, whole = '0', fraction = '', exponent = '0'] = match;
  const unscaled = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  const scale = fraction.length - Number(exponent);
  return scale >= 0 ? { unscaled, scale } : { unscaled: unscaled * 10n ** BigInt(-scale), scale: 0 };
}

function at(scale: number, { unscaled, scale: own }: Decimal): bigint {
  return unscaled * 10n ** BigInt(scale - own);
}

function format({ unscaled, scale }: Decimal): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const sign = unscaled < 0n ? '-' : '';
  return scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(digits.length - scale)}`;
}

/** `base + (to - from)`, with the largest scale of the three; null when one of them is no finite number. */
export function addDifference(base: string, from: string, to: string): string | null {
  const [a, b, c] = [parse(base), parse(from), parse(to)];
  if (!a || !b || !c) return null;
  const scale = Math.max(a.scale, b.scale, c.scale);
  return format({ unscaled: at(scale, a) + at(scale, c) - at(scale, b), scale });
}

/** Negative when `a` is less; null when one of them is no finite number. */
export function compareDecimals(a: string, b: string): number | null {
  const [x, y] = [parse(a), parse(b)];
  if (!x || !y) return null;
  const scale = Math.max(x.scale, y.scale);
  const difference = at(scale, x) - at(scale, y);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
