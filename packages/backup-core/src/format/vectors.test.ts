import { readdirSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { readPrivateKey } from 'openpgp';
import { describe, expect, it } from 'vitest';
import type { TrustedKey } from '../keys/manifest-key.ts';
import { verifyEntry } from '../manifest/signed-entry.ts';
import { openSealed } from '../seal/open.ts';
import { canonicalJson } from './canonical.ts';

interface EntryVector {
  file: string;
  says: string;
  name: string;
  text: string;
  trusted: TrustedKey[];
  code?: string;
}

interface SealedVector {
  file: string;
  says: string;
  privateKey: string;
  /** Base64, as `plain` is. */
  cipher: string;
  plain?: string;
  code?: string;
}

function read<T>(what: string): T[] {
  const folder = new URL(`../../vectors/${what}/`, import.meta.url);
  return readdirSync(folder).map((file) => ({
    file,
    ...JSON.parse(readFileSync(new URL(file, folder), 'utf8')),
  }));
}

describe('the example entries', () => {
  it.each(read<EntryVector>('entries/valid'))('$file: $says', ({ name, text, trusted }) => {
    const { entry } = verifyEntry(name, Buffer.from(text), trusted);
    expect(canonicalJson(entry)).toBe(text.split('\n')[0]);
  });

  it.each(read<EntryVector>('entries/invalid'))(
    '$file is refused: $says',
    ({ name, text, trusted, code }) => {
      expect(() => verifyEntry(name, Buffer.from(text), trusted)).toThrow(
        expect.objectContaining({ code, object: name }),
      );
    },
  );
});

describe('the example objects', () => {
  it.each(read<SealedVector>('sealed/valid'))('$file: $says', async (vector) => {
    expect((await opened(vector)).toString('base64')).toBe(vector.plain);
  });

  it.each(read<SealedVector>('sealed/invalid'))('$file is refused: $says', async (vector) => {
    await expect(opened(vector)).rejects.toMatchObject({ code: vector.code });
  });
});

async function opened({ privateKey, cipher }: SealedVector): Promise<Buffer> {
  const key = await readPrivateKey({ armoredKey: privateKey });
  const source = Readable.from([Buffer.from(cipher, 'base64')]);
  return buffer(openSealed(source, { kind: 'key', privateKey: key }));
}
