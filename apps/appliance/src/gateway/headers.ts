/**
 * Headers on their way through: what belongs to one connection only stays behind, and what this box knows of the request
 * is added. Nothing trusted stands in front of the gateway, so `x-forwarded-*` from outside is replaced, not continued.
 */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

export type Site = 'cloud' | 'box';

const ofTheConnection = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
const notToUpstream = new Set([
  ...ofTheConnection,
  'host',
  'expect',
  'http2-settings',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
]);
const notToUser = new Set([...ofTheConnection, 'x-skooly-edge-site', 'x-skooly-edge-state']);

/** Flat list of names and values, as undici takes it. `content-length` is left to whoever knows the body. */
export function headersToUpstream(request: IncomingMessage, host: string): string[] {
  const { rawHeaders, headers, socket } = request;
  const named = namedByConnection(headers.connection);
  const out = ['host', host];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (notToUpstream.has(name) || name === 'content-length' || named?.has(name)) continue;
    out.push(name, rawHeaders[i + 1] as string);
  }
  out.push('x-forwarded-for', socket.remoteAddress ?? 'unknown');
  out.push('x-forwarded-proto', (socket as TLSSocket).encrypted ? 'https' : 'http');
  if (headers.host !== undefined) out.push('x-forwarded-host', headers.host);
  return out;
}

/** Flat list as `writeHead` takes it, from the raw headers of the answer. */
export function headersToUser(raw: readonly (Buffer | string)[], site: Site, state: string): string[] {
  const out = ['x-skooly-edge-site', site, 'x-skooly-edge-state', state];
  let named: Set<string> | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (lower(raw[i]) === 'connection') named = namedByConnection(String(raw[i + 1]));
  }
  for (let i = 0; i < raw.length; i += 2) {
    const name = lower(raw[i]);
    if (!notToUser.has(name) && !named?.has(name)) out.push(name, text(raw[i + 1]));
  }
  return out;
}

/** Further headers that `Connection` names as its own; undefined for the usual `keep-alive` and `close`. */
function namedByConnection(value: string | undefined): Set<string> | undefined {
  if (value === undefined || value === 'keep-alive' || value === 'close') return undefined;
  return new Set(
    value
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
}

const text = (value: Buffer | string | undefined) =>
  typeof value === 'string' ? value : (value?.toString('latin1') ?? '');
const lower = (value: Buffer | string | undefined) => text(value).toLowerCase();
