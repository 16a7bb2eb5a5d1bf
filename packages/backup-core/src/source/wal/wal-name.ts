/** What the names in pg_wal say. */
import { WalError } from './errors.ts';

export type WalName =
  | { readonly kind: 'segment'; readonly file: string; readonly timeline: number }
  | { readonly kind: 'history'; readonly file: string; readonly timeline: number }
  /**
   * A backup label (its words are in the base backup as well) or the unfinished last segment of a timeline that ended (its
   * bytes are in the first segment of the next one): kept on this disk, sent nowhere.
   */
  | { readonly kind: 'aside'; readonly file: string; readonly timeline: number };

export function parseWalName(file: string): WalName {
  const timeline = Number.parseInt(file.slice(0, 8), 16);
  if (/^[0-9A-F]{24}$/.test(file)) return { kind: 'segment', file, timeline };
  if (/^[0-9A-F]{8}\.history$/.test(file)) return { kind: 'history', file, timeline };
  if (/^[0-9A-F]{24}\.(partial|[0-9A-F]{8}\.backup)$/.test(file)) return { kind: 'aside', file, timeline };
  throw new WalError('WAL_NAME', `${file.slice(0, 80)} is no name of a WAL file.`);
}

/** Where a segment begins and ends: `{startLsn: '0/A000000', endLsn: '0/B000000'}`. */
export function segmentRange(file: string, segmentBytes: number): { startLsn: string; endLsn: string } {
  const perLog = 2 ** 32 / segmentBytes;
  const number = Number.parseInt(file.slice(8, 16), 16) * perLog + Number.parseInt(file.slice(16), 16);
  return { startLsn: formatLsn(number * segmentBytes), endLsn: formatLsn((number + 1) * segmentBytes) };
}

/** The one that follows it on its timeline. */
export function nextSegment(file: string, segmentBytes: number): string {
  const perLog = 2 ** 32 / segmentBytes;
  const number = Number.parseInt(file.slice(8, 16), 16) * perLog + Number.parseInt(file.slice(16), 16) + 1;
  const hex = (part: number) => part.toString(16).toUpperCase().padStart(8, '0');
  return `${file.slice(0, 8)}${hex(Math.floor(number / perLog))}${hex(number % perLog)}`;
}

function formatLsn(position: number): string {
  const high = Math.floor(position / 2 ** 32);
  return `${high.toString(16)}/${(position % 2 ** 32).toString(16)}`.toUpperCase();
}

/** Exact up to 2^53 bytes of WAL, eight million gigabytes. */
export function lsnPosition(lsn: string): number {
  const [high = '', low = ''] = lsn.split('/');
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}
