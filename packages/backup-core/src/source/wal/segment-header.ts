/** The header of a segment's first page: which server wrote it, and whether the file is what its name says. */
import { WalError } from './errors.ts';
import { lsnPosition, segmentRange } from './wal-name.ts';

export const headerBytes = 40;
const longHeaderFlag = 0x0002;

export interface SegmentHeader {
  readonly systemIdentifier: string;
  readonly segmentBytes: number;
}

/** @throws WalError WAL_INCOMPLETE when the bytes are not that segment whole. */
export function readSegmentHeader(file: string, first: Buffer, bytes: number): SegmentHeader {
  if (first.length < headerBytes) throw incomplete(file, `has ${bytes} bytes`);
  const isLong = (first.readUInt16LE(2) & longHeaderFlag) !== 0;
  const segmentBytes = first.readUInt32LE(32);
  if (!isLong || !isSegmentSize(segmentBytes)) throw incomplete(file, 'does not begin like a segment');
  if (segmentBytes !== bytes) throw incomplete(file, `has ${bytes} of ${segmentBytes} bytes`);
  const position = Number(first.readBigUInt64LE(8));
  if (position !== lsnPosition(segmentRange(file, segmentBytes).startLsn))
    throw incomplete(file, 'holds another place of the WAL than its name says');
  return { systemIdentifier: first.readBigUInt64LE(24).toString(), segmentBytes };
}

function isSegmentSize(bytes: number): boolean {
  return bytes >= 2 ** 20 && bytes <= 2 ** 30 && Number.isInteger(Math.log2(bytes));
}

function incomplete(file: string, what: string): WalError {
  return new WalError('WAL_INCOMPLETE', `${file} ${what}, so it is not taken.`);
}
