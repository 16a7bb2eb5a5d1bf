/** The moment that a person asks for. A time without a zone is refused: an hour of error is an hour of fees. */
import { lsnToNumber } from '../retention/lsn.ts';
import { RestoreError } from './errors.ts';

export type Target =
  | {
      readonly kind: 'time';
      readonly ms: number /** For Postgres, with microseconds, in UTC. */;
      readonly text: string;
    }
  | { readonly kind: 'lsn'; readonly lsn: string }
  | { readonly kind: 'latest' };

export interface TargetOptions {
  at?: string | undefined;
  lsn?: string | undefined;
  latest?: boolean | undefined;
}

const SHOWN_ZONE = 'Africa/Douala';
const FORM =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s*(Z|UTC|[+-]\d{2}:?\d{2}|[A-Za-z]+(?:\/[A-Za-z_+-]+)+)?$/;

/** Exactly one of the three. */
export function readTarget({ at, lsn, latest }: TargetOptions): Target {
  const given = [at !== undefined, lsn !== undefined, latest === true].filter(Boolean).length;
  if (given !== 1) throw invalid('Give exactly one of --at, --lsn and --latest.');
  if (at !== undefined) return readTime(at);
  if (lsn === undefined) return { kind: 'latest' };
  try {
    lsnToNumber(lsn);
  } catch (cause) {
    throw invalid(`${lsn} is no position in the WAL, such as 0/3000060.`, { cause });
  }
  return { kind: 'lsn', lsn: lsn.toUpperCase() };
}

export function readTime(text: string): Extract<Target, { kind: 'time' }> {
  const match = FORM.exec(text.trim());
  if (!match) throw invalid(`${JSON.stringify(text)} is not read as a moment.`);
  const [, year, month, day, hour, minute, second = '00', fraction = '', zone] = match;
  if (zone === undefined)
    throw invalid(`${JSON.stringify(text)} has no zone: it could be meant in Douala or in UTC.`);
  const wall = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(wall) || new Date(wall).getUTCDate() !== Number(day))
    throw invalid(`${JSON.stringify(text)} is no day or time of the calendar.`);
  const whole = wall - offsetOf(zone, wall, text);
  const micros = fraction.padEnd(6, '0');
  const stamp = new Date(whole).toISOString().slice(0, 19).replace('T', ' ');
  return { kind: 'time', ms: whole + Number(micros) / 1_000, text: `${stamp}.${micros}+00` };
}

function offsetOf(zone: string, wall: number, text: string): number {
  if (zone === 'Z' || zone === 'UTC') return 0;
  const fixed = /^([+-])(\d{2}):?(\d{2})$/.exec(zone);
  if (fixed) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    if (minutes > 14 * 60) throw invalid(`${zone} is no offset of a zone.`);
    return (fixed[1] === '-' ? -minutes : minutes) * 60_000;
  }
  const offsets = new Set([wall - 86_400_000, wall + 86_400_000].map((at) => zoneOffset(zone, at)));
  const fitting = [...offsets].filter((offset) => zoneOffset(zone, wall - offset) === offset);
  const [offset] = fitting;
  if (offset === undefined)
    throw invalid(`${text} does not exist: the clocks of ${zone} went forward over it.`);
  if (fitting.length > 1)
    throw invalid(`${text} was twice: the clocks of ${zone} went back. Give the offset instead.`);
  return offset;
}

function zoneOffset(zone: string, at: number): number {
  try {
    const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, timeZoneName: 'longOffset' });
    const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
    const match = /^GMT(?:([+-])(\d{2}):(\d{2}))?$/.exec(name);
    if (!match?.[1]) return 0;
    const minutes = Number(match[2]) * 60 + Number(match[3]);
    return (match[1] === '-' ? -minutes : minutes) * 60_000;
  } catch (cause) {
    throw invalid(`${zone} is no zone that is known here.`, { cause });
  }
}

/** `2026-11-23 09:31:59 UTC = 2026-11-23 10:31:59 Africa/Douala`: what a person checks before they go on. */
export function describeMoment(ms: number): string {
  const douala = new Date(ms + zoneOffset(SHOWN_ZONE, ms));
  return `${plain(new Date(ms))} UTC = ${plain(douala)} ${SHOWN_ZONE}`;
}

function plain(at: Date): string {
  return at
    .toISOString()
    .replace('T', ' ')
    .replace(/(\.000)?Z$/, '');
}

export function describeTarget(target: Target): string {
  if (target.kind === 'time') return describeMoment(target.ms);
  return target.kind === 'lsn' ? `position ${target.lsn}` : 'the latest that is in the regions';
}

function invalid(message: string, options?: ErrorOptions): RestoreError {
  return new RestoreError('RESTORE_TARGET_INVALID', message, options);
}
