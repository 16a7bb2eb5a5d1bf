import { readdirSync, readFileSync } from 'node:fs';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Transaction } from '../transaction/transaction.ts';
import { type BatchHeader, decodeBatch, encodeBatch, transactionsIn } from './codec.ts';

interface Vector {
  name: string;
  says: string;
  /** The lines before compression. */
  lines: string[];
  code?: string;
}

interface Version2 {
  name: string;
  says: string;
  header: BatchHeader;
  transactions: Transaction[];
  /** Hexadecimal. */
  body: string;
}

function read<T = Vector>(kind: 'valid' | 'invalid' | 'version-2'): T[] {
  const folder = new URL(`../../vectors/${kind}/`, import.meta.url);
  return readdirSync(folder).map((name) => ({
    name,
    ...JSON.parse(readFileSync(new URL(name, folder), 'utf8')),
  }));
}

describe('the valid example batches of version 1', () => {
  it.each(read('valid'))('$name: $says', async ({ lines }) => {
    const batch = await decodeBatch(zstdCompressSync(lines.join('\n')));
    const [header = '', ...transactions] = lines;
    const { epoch, boots } = JSON.parse(header);
    expect(batch).toMatchObject({ epoch, ...(boots && { boots }) });
    expect(transactionsIn(batch)).toEqual(transactions.map((line) => JSON.parse(line)));
    // Fields that nobody knows are not sent on.
    const sentOn = await decodeBatch(await encodeBatch(batch, transactions));
    expect(transactionsIn(batch)).toMatchObject(transactionsIn(sentOn));
  });
});

describe('the example batches of version 2', () => {
  it.each(read<Version2>('version-2'))('$name: $says', async ({ header, transactions, body }) => {
    const batch = await decodeBatch(Buffer.from(body, 'hex'));
    expect(batch).toMatchObject(header);
    expect(transactionsIn(batch)).toEqual(transactions);
    const lines = transactions.map((transaction) => JSON.stringify(transaction));
    expect(transactionsIn(await decodeBatch(await encodeBatch(header, lines)))).toEqual(transactions);
  });
});

describe('the invalid example batches', () => {
  it.each(read('invalid'))('$name: $says', async ({ lines, code }) => {
    await expect(decodeBatch(zstdCompressSync(lines.join('\n')))).rejects.toMatchObject({ code });
  });
});
