import type { ByteReader } from './byte-reader.ts';
import { SealError } from './errors.ts';

/** The packets of an OpenPGP stream, old and new format, of known and of partial lengths (RFC 4880, 4.2). */
export interface Packet {
  tag: number;
  /** To be read to its end before the next packet is asked for. */
  body: AsyncGenerator<Buffer>;
}

interface Length {
  bytes: number;
  partial: boolean;
}

/** Null at the end of the stream. */
export async function nextPacket(reader: ByteReader): Promise<Packet | null> {
  const first = await reader.exactly(1);
  if (first === null) return null;
  const mark = first[0] as number;
  if ((mark & 0x80) === 0) throw new SealError('SEAL_ALTERED', 'Here no OpenPGP packet begins.');
  if ((mark & 0x40) !== 0) return { tag: mark & 0x3f, body: body(reader, await newLength(reader)) };
  return { tag: (mark >> 2) & 0x0f, body: body(reader, await oldLength(reader, mark & 3)) };
}

async function* body(reader: ByteReader, first: Length): AsyncGenerator<Buffer> {
  let length = first;
  while (true) {
    let missing = length.bytes;
    while (missing > 0) {
      const part = await reader.some(missing);
      if (part === null) throw truncated();
      missing -= part.length;
      yield part;
    }
    if (!length.partial) return;
    length = await newLength(reader);
  }
}

async function newLength(reader: ByteReader): Promise<Length> {
  const first = await octet(reader);
  if (first < 192) return { bytes: first, partial: false };
  if (first < 224) return { bytes: ((first - 192) << 8) + (await octet(reader)) + 192, partial: false };
  if (first < 255) return { bytes: 2 ** (first & 0x1f), partial: true };
  return { bytes: await integer(reader, 4), partial: false };
}

async function oldLength(reader: ByteReader, kind: number): Promise<Length> {
  if (kind === 3) throw new SealError('SEAL_UNSUPPORTED', 'A packet of indeterminate length was found.');
  return { bytes: await integer(reader, 2 ** kind), partial: false };
}

async function octet(reader: ByteReader): Promise<number> {
  return integer(reader, 1);
}

async function integer(reader: ByteReader, bytes: number): Promise<number> {
  const read = await reader.exactly(bytes);
  if (read === null) throw truncated();
  return read.readUIntBE(0, bytes);
}

export function truncated(): SealError {
  return new SealError('SEAL_TRUNCATED', 'The sealed stream ends too early.');
}
