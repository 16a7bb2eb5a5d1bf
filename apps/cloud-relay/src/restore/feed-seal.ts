/**
 * The seal of a feed entry, or of a block of them: proves, when a campus gives it back after the cloud was restored, that it came from here
 * and is unchanged. HMAC-SHA-256, cut to 96 bits, under a key that is derived from the relay's signing key (HKDF, RFC 5869), which no
 * restore of the database touches.
 */
import { createHmac, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';

/** What is sealed: an entry as its campus has received it. */
export interface SealedEntry {
  campus: string;
  epoch: string;
  seq: number;
  stampEpoch: string;
  stampSeq: number;
  committedAt: number;
  lsn: number;
  body: string;
}

/** Entries as their campus has received them, together: the bytes name them. */
export interface SealedBlock {
  campus: string;
  block: Buffer;
}

/** 96 bits: RFC 2104, section 5, asks for half the hash or 80 bits, and every entry carries one over a narrow link. */
const sealBytes = 12;

export interface FeedSeal {
  seal(entry: SealedEntry): string;
  /** Whether `seal` is this entry's. */
  fits(entry: SealedEntry, seal: string): boolean;
  sealBlock(block: SealedBlock): string;
  fitsBlock(block: SealedBlock, seal: string): boolean;
}

export function feedSeal(signingKey: KeyObject): FeedSeal {
  const secret = signingKey.export({ format: 'der', type: 'pkcs8' });
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'skooly-edge/feed-seal/1', 32));
  const entryDigest = (entry: SealedEntry) => {
    const { campus, epoch, seq, stampEpoch, stampSeq, committedAt, lsn, body } = entry;
    return createHmac('sha256', key)
      .update(JSON.stringify([campus, epoch, seq, stampEpoch, stampSeq, committedAt, lsn]))
      .update('\n')
      .update(body)
      .digest()
      .subarray(0, sealBytes);
  };
  const blockDigest = ({ campus, block }: SealedBlock) =>
    createHmac('sha256', key)
      .update(JSON.stringify(['block', campus]))
      .update('\n')
      .update(block)
      .digest()
      .subarray(0, sealBytes);
  return {
    seal: (entry) => entryDigest(entry).toString('base64url'),
    fits: (entry, seal) => isSame(entryDigest(entry), seal),
    sealBlock: (block) => blockDigest(block).toString('base64url'),
    fitsBlock: (block, seal) => isSame(blockDigest(block), seal),
  };
}

function isSame(expected: Buffer, seal: string): boolean {
  const given = Buffer.from(seal, 'base64url');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
