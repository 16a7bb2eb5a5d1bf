/** One chain for all tests of a file, at rest when they begin, and what they do with it again and again. */
import { afterAll, beforeAll, expect } from 'vitest';
import { type Chain, type ChainOptions, startChain, until } from './chain.ts';

export type Side = 'cloud' | 'campus';

export interface ConnectedChain {
  readonly chain: Chain;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the query gives
  rows(side: Side, sql: string): Promise<any[]>;
  /** What both sides write while they know nothing of each other. */
  apart(campus: readonly string[], cloud: readonly string[]): Promise<void>;
  /** Both sides come to rest, and `look` sees the same on each. */
  equal(look: (side: Side) => Promise<unknown>): Promise<void>;
}

export function connectedChain(options: Omit<ChainOptions, 'campus'>): ConnectedChain {
  let chain: Chain | undefined;
  beforeAll(async () => {
    chain = await startChain({ ...options, campus: 'mvan' });
    await chain.connect();
    await chain.settled();
  });
  afterAll(async () => {
    await chain?.[Symbol.asyncDispose]();
  });
  const its: ConnectedChain = {
    get chain() {
      if (chain === undefined) throw new Error('the chain is made before the first test');
      return chain;
    },
    rows: async (side, sql) => (await its.chain[side].query(sql)).rows,
    async apart(campus, cloud) {
      await its.chain.disconnect();
      for (const sql of campus) await its.chain.campus.query(sql);
      for (const sql of cloud) await its.chain.cloud.query(sql);
      await its.chain.connect();
      await its.chain.settled();
    },
    async equal(look) {
      await until(async () => {
        await its.chain.settled();
        return JSON.stringify(await look('campus')) === JSON.stringify(await look('cloud'));
      }).catch(() => {});
      expect(await look('campus')).toEqual(await look('cloud'));
    },
  };
  return its;
}
