/**
 * Reads what encrypt.ts writes, and any other uncompressed message under AES with an MDC. Plaintext comes out while it
 * is decrypted; whether it is genuine is known only at its end, where the MDC is checked.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ByteReader } from './byte-reader.ts';
import { aesBlockBytes, CfbDecryption } from './cfb.ts';
import { SealError } from './errors.ts';
import { nextPacket, type Packet, truncated } from './packets.ts';

const keyTag = 1;
const compressedTag = 8;
const markerTag = 10;
const literalTag = 11;
const protectedTag = 18;
const aeadTag = 20;

const mdcBytes = 22;
const mdcHeader = Buffer.from([0xd3, 0x14]);
/** A key packet of RSA 16384 has 2 KiB. */
const maxKeyPacketBytes = 16 * 1024;

export interface SessionKey {
  data: Uint8Array;
  /** As openpgp.js names it. */
  algorithm: string | null;
}

/** `unlock` gets the key packets as they stand in the message, and throws a SealError when no key at hand opens them. */
export async function* decrypted(
  cipher: AsyncIterable<Uint8Array>,
  unlock: (keyPackets: Uint8Array) => Promise<SessionKey[]>,
): AsyncGenerator<Buffer> {
  const reader = new ByteReader(cipher);
  try {
    const { keyPackets, data } = await messageParts(reader);
    const inner = new ByteReader(protectedBytes(data, await unlock(keyPackets)));
    yield* literal(inner);
    if ((await nextPacket(reader)) !== null)
      throw new SealError('SEAL_ALTERED', 'Something follows the sealed message.');
  } finally {
    await reader.close();
  }
}

async function messageParts(reader: ByteReader): Promise<{ keyPackets: Buffer; data: Packet }> {
  const keyPackets: Buffer[] = [];
  while (true) {
    const packet = await nextPacket(reader);
    if (packet === null) throw truncated();
    if (packet.tag === protectedTag) return { keyPackets: Buffer.concat(keyPackets), data: packet };
    const body = await whole(packet);
    if (packet.tag === keyTag) keyPackets.push(packetOf(keyTag, body));
    else if (packet.tag === aeadTag)
      throw new SealError('SEAL_UNSUPPORTED', 'The message is in a draft AEAD format.');
    else if (packet.tag !== markerTag)
      throw new SealError(
        'SEAL_ALTERED',
        `A packet of kind ${packet.tag} does not belong into a sealed object.`,
      );
  }
}

async function whole(packet: Packet): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of packet.body) {
    bytes += part.length;
    if (bytes > maxKeyPacketBytes) throw new SealError('SEAL_ALTERED', 'A key packet is too long to be one.');
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts);
}

function packetOf(tag: number, body: Buffer): Buffer {
  const header = Buffer.alloc(6, 0xff);
  header[0] = 0xc0 | tag;
  header.writeUInt32BE(body.length, 2);
  return Buffer.concat([header, body]);
}

/** What is inside, without prefix and MDC; throws at its end when the MDC is not that of what it has given. */
async function* protectedBytes(packet: Packet, keys: SessionKey[]): AsyncGenerator<Buffer> {
  const reader = new ByteReader(packet.body);
  const version = await reader.exactly(1);
  if (version === null) throw truncated();
  if (version[0] !== 1)
    throw new SealError('SEAL_UNSUPPORTED', `The message is in format SEIPD version ${version[0]}.`);
  const start = await reader.exactly(aesBlockBytes + 2);
  if (start === null) throw truncated();
  const { decryption, prefix } = firstThatFits(keys, start);
  const mdc = createHash('sha1').update(prefix);
  let held: Buffer = Buffer.alloc(0);
  for (let part = await reader.some(2 ** 30); part !== null; part = await reader.some(2 ** 30)) {
    const plain = decryption.update(part, held.length);
    held.copy(plain);
    const known = Math.max(plain.length - mdcBytes, 0);
    // A copy, so that it does not hold what is given away.
    held = Buffer.from(plain.subarray(known));
    mdc.update(plain.subarray(0, known));
    if (known > 0) yield plain.subarray(0, known);
  }
  if (held.length < mdcBytes) throw truncated();
  const expected = Buffer.concat([mdcHeader, mdc.update(mdcHeader).digest()]);
  if (!timingSafeEqual(held, expected))
    throw new SealError('SEAL_ALTERED', 'The sealed stream was altered: its MDC does not match.');
}

/** RSA hides whether a key fitted, so there may be several; the two bytes that the prefix repeats tell. */
function firstThatFits(keys: SessionKey[], start: Buffer) {
  for (const { data, algorithm } of keys) {
    if (algorithm !== null && !algorithm.startsWith('aes')) continue;
    const decryption = new CfbDecryption(data);
    const prefix = decryption.update(start);
    const repeats = prefix.subarray(-2).equals(prefix.subarray(aesBlockBytes - 2, aesBlockBytes));
    if (repeats) return { decryption, prefix };
  }
  throw new SealError('SEAL_ALTERED', 'The beginning of the sealed stream was altered.');
}

async function* literal(inner: ByteReader): AsyncGenerator<Buffer> {
  const packet = await nextPacket(inner);
  if (packet?.tag === compressedTag)
    throw new SealError('SEAL_UNSUPPORTED', 'The message is compressed by OpenPGP.');
  if (packet?.tag !== literalTag)
    throw new SealError('SEAL_ALTERED', 'The sealed stream holds no data packet.');
  const body = new ByteReader(packet.body);
  const start = await body.exactly(2);
  if (start === null || (await body.exactly((start[1] as number) + 4)) === null) throw truncated();
  for (let part = await body.some(2 ** 30); part !== null; part = await body.some(2 ** 30)) yield part;
  if ((await nextPacket(inner)) !== null)
    throw new SealError('SEAL_ALTERED', 'Something follows the data in the sealed stream.');
}
