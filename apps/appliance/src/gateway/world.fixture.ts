/** A gateway between two real HTTP servers, and a real link that the test moves by hand. */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { Agent } from 'undici';
import { systemClock } from '../link/clock.ts';
import { createLink, type Link } from '../link/link.ts';
import type { LinkState } from '../link/states.ts';
import { createGateway, type Gateway } from './gateway.ts';
import type { GatewayLimits } from './limits.ts';
import type { Policy } from './route.ts';

export interface WorldOptions {
  cloud?: RequestListener;
  box?: RequestListener;
  state?: LinkState;
  policy?: Policy;
  limits?: Partial<GatewayLimits>;
  boxReady?: () => boolean;
  boxMayWrite?: () => boolean;
}

export interface World extends AsyncDisposable {
  url: string;
  port: number;
  agent: Agent;
  link: Link;
  gateway: Gateway;
  /** Makes a site refuse connections from now on. */
  kill(site: 'cloud' | 'box'): Promise<void>;
  to(state: LinkState): void;
}

const never = 3_600_000;

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const servers = {
    cloud: await listen(options.cloud ?? answer('cloud')),
    box: await listen(options.box ?? answer('box')),
  };
  const logger = pino({ level: 'silent' });
  const link = openLink();
  const gateway = createGateway({
    link,
    cloudUrl: urlOf(servers.cloud),
    localUrl: urlOf(servers.box),
    policy: options.policy ?? 'fallback',
    clock: systemClock,
    logger,
    limits: { patienceMs: never, unsafeGraceMs: 100, suspectHoldMs: never, ...options.limits },
    ...(options.boxReady && { boxReady: options.boxReady }),
    ...(options.boxMayWrite && { boxMayWrite: options.boxMayWrite }),
  });
  moveLink(link, options.state ?? 'ONLINE');
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  const agent = new Agent();
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    agent,
    link,
    gateway,
    kill: (site) => end(servers[site]),
    to: (state) => moveLink(link, state),
    async [Symbol.asyncDispose]() {
      await agent.destroy();
      await Promise.all([end(servers.cloud), end(servers.box)]);
      await gateway.close();
    },
  };
}

/** Says which site it is and what it got. */
export function answer(site: string): RequestListener {
  return async (request, response) => {
    const body = await textOf(request);
    response.setHeader('skooly-site', site);
    response.end(
      JSON.stringify({ site, method: request.method, url: request.url, headers: request.headers, body }),
    );
  };
}

export async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** A door that a test opens: what awaits it goes on then. */
export function door() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
}

/** Waits until something is true of a running system; the test's own time limit is the bound. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2));
}

function openLink(): Link {
  const settings = {
    intervalMs: never,
    rest: { afterMs: never, intervalMs: never },
    suspectIntervalMs: never,
    timeoutMs: never,
    missesToLocal: 3,
    refusalsToLocal: 2,
    hitsToCatchUp: 2,
    brownOut: { lossRatio: 1, p95Ms: never, windowMs: never },
    holdDown: { minMs: 0, maxMs: 0, decayMs: never },
  };
  const probe = () => Promise.reject(new Error('the test moves the link'));
  return createLink({ settings, clock: systemClock, logger: pino({ level: 'silent' }), probe });
}

function moveLink(link: Link, state: LinkState): void {
  const hit = () => link.report({ type: 'hit', rttMs: 1 });
  const miss = () => link.report({ type: 'miss', reason: 'test' });
  const fall = () => [miss, miss, miss].forEach((go) => void go());
  if (state === 'ONLINE' || state === 'SUSPECT') {
    while (link.state !== 'CATCHING_UP' && link.state !== 'ONLINE') hit();
    link.report({ type: 'caughtUp' });
    if (state === 'SUSPECT') miss();
    return;
  }
  if (link.state === 'ONLINE' || link.state === 'SUSPECT' || state === 'LOCAL') fall();
  while (link.state !== state) hit();
}

async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function end(server: Server): Promise<void> {
  server.closeAllConnections();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
}

function urlOf(server: Server): URL {
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}
