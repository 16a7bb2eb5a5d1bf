/**
 * The gatekeeper in front of a real Electric: writes table and filter itself, hands on only the protocol's own parameters,
 * and passes the answer through.
 */
import { ELECTRIC_PROTOCOL_QUERY_PARAMS } from '@electric-sql/client';
import { fetch, type Response } from 'undici';
import { RelayError } from '../errors.ts';

const passedHeaders = [
  'content-type',
  'electric-handle',
  'electric-offset',
  'electric-schema',
  'electric-cursor',
  'electric-up-to-date',
  'electric-has-data',
  'electric-snapshot',
  'retry-after',
];

export interface ElectricAnswer {
  status: number;
  headers: Record<string, string>;
  body: Response['body'];
}

/** @throws RelayError ELECTRIC_UNAVAILABLE */
export async function askElectric(
  electricUrl: URL,
  campus: string,
  query: Record<string, string | undefined>,
  signal: AbortSignal,
): Promise<ElectricAnswer> {
  const url = shapeUrl(electricUrl, campus, query);
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (cause) {
    throw new RelayError('ELECTRIC_UNAVAILABLE', 'Electric does not answer.', {}, { cause });
  }
  const headers: Record<string, string> = { 'cache-control': 'private, no-store' };
  for (const name of passedHeaders) {
    const value = response.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  return { status: response.status, headers, body: response.body };
}

export function shapeUrl(electricUrl: URL, campus: string, query: Record<string, string | undefined>): URL {
  const url = new URL(electricUrl);
  if (url.pathname === '/') url.pathname = '/v1/shape';
  for (const name of ELECTRIC_PROTOCOL_QUERY_PARAMS) {
    const value = query[name];
    if (value !== undefined) url.searchParams.set(name, value);
  }
  url.searchParams.set('table', 'sync.feed');
  url.searchParams.set('where', 'campus = $1');
  url.searchParams.set('params[1]', campus);
  return url;
}
