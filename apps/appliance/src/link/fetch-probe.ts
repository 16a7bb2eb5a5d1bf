/**
 * One small GET over a connection that is kept open: a probe every few seconds would otherwise pay for a handshake each
 * time. Bounded in time and in bytes. A kept connection that the other side has closed meanwhile says nothing about the
 * cable, so that one case is tried once more on a new one.
 */
import { Agent, type buildConnector } from 'undici';
import type { Clock } from './clock.ts';

export interface ProbeAnswer {
  status: number;
  body: string;
  rttMs: number;
}

export class ProbeFailure extends Error {
  /** The connection was refused, or there is no way to the address. */
  readonly refused: boolean;

  constructor(message: string, refused: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProbeFailure';
    this.refused = refused;
  }
}

const mostBodyBytes = 4_096;
const keepAliveMs = 10 * 60_000;
const refusals = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN']);
const closedByOther = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** @param connect How TLS is made; left out, as undici does. */
export function openProbeAgent(connect?: buildConnector.connector): Agent {
  return new Agent({
    ...(connect && { connect }),
    connections: 1,
    allowH2: false,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
  });
}

/** @throws ProbeFailure */
export async function fetchProbe(
  { agent, clock, timeoutMs }: { agent: Agent; clock: Clock; timeoutMs: number },
  url: URL,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  const cancel = clock.after(timeoutMs, onAbort);
  const once = async () => {
    const startedMs = clock.now();
    const { statusCode, body } = await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'GET',
      headers: { 'cache-control': 'no-store' },
      signal: stop.signal,
    });
    return {
      status: statusCode,
      body: await readBounded(body),
      rttMs: Math.round((clock.now() - startedMs) * 10) / 10,
    };
  };
  try {
    return await once().catch((error) => {
      if (stop.signal.aborted || !closedByOther.has(error.code)) throw error;
      return once();
    });
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, stop.signal.aborted, timeoutMs);
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > mostBodyBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function explain(cause: NodeJS.ErrnoException, timedOut: boolean, timeoutMs: number): ProbeFailure {
  if (timedOut) return new ProbeFailure(`no answer within ${timeoutMs} ms`, false, { cause });
  if (refusals.has(cause.code ?? ''))
    return new ProbeFailure(`connection refused (${cause.code})`, true, { cause });
  if ('advice' in cause) return new ProbeFailure(`${cause.message} ${cause.advice}`, false, { cause });
  return new ProbeFailure(`connection failed (${cause.code ?? cause.message})`, false, { cause });
}
