import { createHash } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { authenticate, enrol } from './enrol.ts';

/** Stands for the database: it keeps what enrolling stores, and answers with it. */
function database() {
  const hashes = new Map<string, Buffer>();
  const statements: string[] = [];
  const query = async (text: string, values: unknown[] = []) => {
    statements.push(text);
    if (text.startsWith('INSERT')) hashes.set(values[0] as string, values[1] as Buffer);
    const hash = text.startsWith('SELECT encode') ? hashes.get(values[0] as string) : undefined;
    return { rows: hash ? [{ hash: hash.toString('hex') }] : [] };
  };
  return {
    hashes,
    statements,
    client: { query } as unknown as ClientBase,
    pool: { query } as unknown as Pool,
  };
}

const unauthenticated = expect.objectContaining({ code: 'UNAUTHENTICATED', status: 401 });

describe('a campus that enrols', () => {
  it('is known by its token from then on', async () => {
    const { client, pool } = database();
    const token = await enrol(client, 'mvan');
    expect(await authenticate(pool, `Bearer ${token}`)).toBe('mvan');
  });

  it('leaves only the hash of its token behind', async () => {
    const { client, hashes } = database();
    const token = await enrol(client, 'mvan');
    expect(hashes.get('mvan')).toEqual(createHash('sha256').update(token).digest());
  });

  it('again gets another token, and the first is worth nothing', async () => {
    const { client, pool } = database();
    const first = await enrol(client, 'mvan');
    const second = await enrol(client, 'mvan');
    await expect(authenticate(pool, `Bearer ${first}`)).rejects.toEqual(unauthenticated);
    expect(await authenticate(pool, `Bearer ${second}`)).toBe('mvan');
  });

  it.each(['', 'Mvan', '-mvan', 'mvan.x', 'm'.repeat(41), "m'; --"])('as %j is refused', async (campus) => {
    const { client, statements } = database();
    await expect(enrol(client, campus)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    expect(statements).toEqual([]);
  });
});

describe('a request is refused with', () => {
  it('no token, or one of another form, and the database is not asked', async () => {
    const { client, pool, statements } = database();
    const token = await enrol(client, 'mvan');
    statements.length = 0;
    for (const header of [
      undefined,
      '',
      'Bearer ',
      token,
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer x${token}`,
    ])
      await expect(authenticate(pool, header)).rejects.toEqual(unauthenticated);
    expect(statements).toEqual([]);
  });

  it('the token of a campus that is not enrolled', async () => {
    const { client } = database();
    const token = await enrol(client, 'mvan');
    await expect(authenticate(database().pool, `Bearer ${token}`)).rejects.toEqual(unauthenticated);
  });

  it('the token of one campus under the name of another', async () => {
    const { client, pool } = database();
    const token = await enrol(client, 'mvan');
    await enrol(client, 'bonaberi');
    const forged = token.replace('.mvan.', '.bonaberi.');
    await expect(authenticate(pool, `Bearer ${forged}`)).rejects.toEqual(unauthenticated);
  });
});
