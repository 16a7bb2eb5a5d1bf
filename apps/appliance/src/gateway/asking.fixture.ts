/** Asking a gateway as a browser would, and sites that a test can watch and slow down. */
import type { IncomingMessage, RequestListener } from 'node:http';
import { answer, door, type World } from './world.fixture.ts';

export interface Got {
  status: number;
  site: string | null;
  state: string | null;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server said
  body: any;
}

export async function ask(world: World, path = '/', init: RequestInit = {}): Promise<Got> {
  const response = await fetch(`${world.url}${path}`, { headers: {}, ...init });
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('html') ? text : JSON.parse(text);
  const { headers, status } = response;
  return {
    status,
    site: headers.get('x-skooly-edge-site'),
    state: headers.get('x-skooly-edge-state'),
    headers,
    body: json,
  };
}

export const post = (body: string, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  body,
  headers,
});
export const keyed = { 'idempotency-key': 'k-1' };

/** A site that takes requests and answers none until the door is opened. */
export function slowSite(site: string) {
  const gate = door();
  const seen: IncomingMessage[] = [];
  return {
    seen,
    open: gate.open,
    listener: (async (request, response) => {
      seen.push(request);
      await gate.opened;
      await answer(site)(request, response);
    }) satisfies RequestListener,
  };
}

/** A site that writes down what reached it. */
export function noteInto(seen: string[]) {
  return (site: string): RequestListener =>
    (request, response) => {
      seen.push(`${site} ${request.url}`);
      answer(site)(request, response);
    };
}
