/**
 * Requests over one connection, each sent before the one before it is answered (RFC 9112, section 9.3.2): the relay takes them in
 * their order, and on a long line none waits for the last one's answer. For requests that may be repeated without harm only.
 */
import { Agent, type buildConnector } from 'undici';
import type { RelayFetch } from './relay-fetch.ts';

/** More than this wait in the box: the relay has no more of one campus at a time. */
const mostInARow = 8;

export interface InARow {
  readonly fetch: RelayFetch;
  close(): Promise<void>;
}

/** @param connect How TLS is made; left out, as undici does. */
export function openInARow(connect?: buildConnector.connector): InARow {
  const agent = new Agent({
    ...(connect && { connect }),
    connections: 1,
    pipelining: mostInARow,
    allowH2: false,
  });
  return {
    async fetch({ origin, pathname, search }, { method = 'GET', headers, body, signal }) {
      const path = `${pathname}${search}`;
      const request = { origin, path, method, headers, body, signal, idempotent: true, blocking: false };
      const answer = await agent.request(request as Parameters<typeof agent.request>[0]);
      const get = (name: string) => answer.headers[name]?.toString() ?? null;
      const { statusCode: status } = answer;
      return { status, ok: status >= 200 && status < 300, headers: { get }, text: () => answer.body.text() };
    },
    close: () => agent.destroy(),
  };
}
