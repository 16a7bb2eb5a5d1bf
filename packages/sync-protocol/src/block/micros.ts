/** Postgres's text of a timestamp without its zone, `2026-11-23 07:29:10.0712`, as microseconds since 1970, and back. */

const shape = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/;
const microsPerDay = 86_400_000_000;

/** @returns null for what is no such text, and for a time before 1970. */
export function parseMicros(text: string): number | null {
  const match = shape.exec(text);
  if (!match) return null;
  const [, year, month, day, hours, minutes, seconds, fraction = ''] = match;
  const days = daysUntil(`${year}-${month}-${day}`);
  const inDay = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  const micros = days * microsPerDay + inDay * 1_000_000 + Number(fraction.padEnd(6, '0'));
  return micros >= 0 ? micros : null;
}

export function formatMicros(micros: number): string {
  const days = Math.floor(micros / microsPerDay);
  const inDay = micros - days * microsPerDay;
  const seconds = Math.floor(inDay / 1_000_000);
  const fraction = inDay - seconds * 1_000_000;
  const minutes = Math.floor(seconds / 60);
  const time = `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${two(seconds % 60)}`;
  return `${dayText(days)} ${time}${fraction === 0 ? '' : `.${trimZeros(fraction)}`}`;
}

/** Rows of a block are of few days: the last one asked for is remembered. */
let lastDay = { text: '', days: Number.NaN };

/** @returns NaN for a day that no month has. */
function daysUntil(text: string): number {
  if (lastDay.text === text) return lastDay.days;
  const days = Date.parse(`${text}T00:00:00Z`) / 86_400_000;
  return dayText(days) === text ? days : Number.NaN;
}

function dayText(days: number): string {
  if (lastDay.days !== days) {
    const date = new Date(days * 86_400_000);
    lastDay = { text: Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(0, 10), days };
  }
  return lastDay.text;
}

function two(number: number): string {
  return number < 10 ? `0${number}` : String(number);
}

function trimZeros(micros: number): string {
  let text = String(micros).padStart(6, '0');
  let end = 6;
  while (text.charCodeAt(end - 1) === 48) end--;
  if (end < 6) text = text.slice(0, end);
  return text;
}
