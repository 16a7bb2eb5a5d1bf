import { readdirSync, readFileSync } from 'node:fs';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeBatch, encodeBatch } from './codec.ts';

interface Vector {
  name: string;
  says: string;
  /** The lines before compression. */
  lines: string[];
  code?: string;
}

function read(kind: 'valid' | 'invalid'): Vector[] {
  const folder = new URL(`../../vectors/${kind}/`, import.meta.url);
  return readdirSync(folder).map((name) => ({
    name,
    ...JSON.parse(readFileSync(new URL(name, folder), 'utf8')),
  }));
}

describe('the valid example batches', () => {
  it.each(read('valid'))('$name: $says', async ({ lines }) => {
    const batch = await decodeBatch(zstdCompressSync(lines.join('\n')));
    const [header = '', ...transactions] = lines;
    const { epoch, boots } = JSON.parse(header);
    expect(batch).toEqual({
      epoch,
      boots,
      transactions: transactions.map((line) => JSON.parse(line)),
    });
    expect(await decodeBatch(await encodeBatch(batch, transactions))).toEqual(batch);
  });
});

describe('the invalid example batches', () => {
  it.each(read('invalid'))('$name: $says', async ({ lines, code }) => {
    await expect(decodeBatch(zstdCompressSync(lines.join('\n')))).rejects.toMatchObject({ code });
  });
});
