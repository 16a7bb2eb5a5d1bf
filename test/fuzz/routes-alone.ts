/** The routes outside of a test run: a throwaway Postgres of its own, ended afterwards. */
import startThrowaway from '../support/postgres-setup.ts';
import type { FuzzOptions, FuzzResult } from './failure.ts';
import { startRelayUnderFuzz } from './relay-under-fuzz.ts';
import { fuzzRoutes } from './routes.ts';

export async function fuzzRoutesAlone(options: FuzzOptions): Promise<FuzzResult> {
  const provide = (_name: string, url: string) => {
    process.env.TEST_POSTGRES_URL = url;
  };
  const stop = await startThrowaway({ provide } as Parameters<typeof startThrowaway>[0]);
  try {
    const relay = await startRelayUnderFuzz();
    await using _chain = relay.chain;
    return await fuzzRoutes(relay, options);
  } finally {
    await stop();
  }
}
