/**
 * The one address of the users on campus. It passes each request to Skooly in the cloud or to Skooly on the box, as the
 * link says, and tells in the answer which (`x-skooly-edge-site`, `x-skooly-edge-state`). In order: its own status page,
 * the body, the fence, the site, and if that fails the box, where that is safe.
 *
 * It never sends a write a second time unless the write carries an Idempotency-Key or nothing of it had been sent; where
 * nobody can know, it says so (OUTCOME_UNKNOWN). It keeps nothing: what it was doing when it died is for its users to
 * repeat. It does not pass WebSockets on.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { type buildConnector, Pool } from 'undici';
import type { Clock } from '../link/clock.ts';
import type { Link } from '../link/link.ts';
import type { LinkState } from '../link/states.ts';
import { GatewayError, listenError } from './errors.ts';
import { Exchange, type ExchangeRoom, isRead } from './exchange.ts';
import { type FailbackResult, type FailbackSteps, failback } from './failback.ts';
import { Fence } from './fence.ts';
import type { Site } from './headers.ts';
import { defaultLimits, type GatewayLimits } from './limits.ts';
import { answerSelf } from './own-answer.ts';
import { answerStatus, ownPrefix, type PublicStatus } from './own-page.ts';
import { hasBody, noBody, ReplayBudget, readRequestBody } from './request-body.ts';
import { type Policy, siteFor } from './route.ts';
import type { AnswerCode } from './words.ts';

export interface GatewayParts {
  link: Pick<Link, 'state' | 'since' | 'onChange' | 'report' | 'used'>;
  cloudUrl: URL;
  localUrl: URL;
  /** How connections to the cloud are made; left out, as undici does. */
  connectCloud?: (timeoutMs: number) => buildConnector.connector;
  policy: Policy;
  clock: Clock;
  logger: Logger;
  limits?: Partial<GatewayLimits>;
  /** Whether the box holds the school's data. Until it does, it serves nobody. Default: it does. */
  boxReady?: () => boolean;
  /** Whether the box has room for writes. While it has none, it answers them itself (DISK_FULL). Default: it has. */
  boxMayWrite?: () => boolean;
}

export interface GatewaySnapshot {
  site: Site | 'nobody';
  fence: 'down' | 'raised';
  heldWrites: number;
  boxWritesUnderWay: number;
  lastFailback: FailbackResult | null;
  /** Since the process began. */
  requests: number;
  repeatedAtBox: number;
  outcomeUnknown: number;
  boxUnreachable: number;
}

export interface Gateway extends AsyncDisposable {
  /** Port 0 takes a free one. @throws GatewayError PORT_TAKEN, LISTEN_REFUSED */
  listen(address: { host: string; port: number }): Promise<{ host: string; port: number }>;
  /**
   * To be called when the link is CATCHING_UP. Tells the link itself how it ended, and does not reject for a failed step.
   * @throws GatewayError FAILBACK_RUNNING
   */
  failback(steps: FailbackSteps, signal?: AbortSignal): Promise<FailbackResult>;
  snapshot(): GatewaySnapshot;
  /** Lets requests in flight finish, for a bounded time. May be called twice. */
  close(): Promise<void>;
}

export function createGateway(parts: GatewayParts): Gateway {
  return new HttpGateway(parts);
}

class HttpGateway implements Gateway {
  readonly #parts: GatewayParts;
  readonly #limits: GatewayLimits;
  readonly #server = createServer({ keepAliveTimeout: 75_000 }, (request, response) =>
    this.#receive(request, response),
  );
  readonly #watching = new Set<Exchange>();
  readonly #fence: Fence;
  readonly #budget: ReplayBudget;
  readonly #room: ExchangeRoom;
  readonly #closing = new AbortController();
  readonly #stopListening: () => void;
  readonly #counts = { repeatedAtBox: 0, outcomeUnknown: 0, boxUnreachable: 0 };
  readonly #hosts: Record<Site, string>;
  readonly #pools: Record<Site, Pool>;
  /** While recovering the box serves only if it already did when the recovery began. */
  #boxServes: boolean;
  #requests = 0;
  #lastFailback: FailbackResult | null = null;
  #failingBack = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#limits = { ...defaultLimits, ...parts.limits };
    this.#fence = new Fence(this.#limits);
    this.#budget = new ReplayBudget(this.#limits.replayTotalBytes);
    this.#boxServes = this.#boxIsReady();
    this.#hosts = { cloud: parts.cloudUrl.host, box: parts.localUrl.host };
    this.#pools = { cloud: this.#openPool('cloud'), box: this.#openPool('box') };
    this.#room = {
      link: parts.link,
      limits: this.#limits,
      clock: parts.clock,
      fence: this.#fence,
      watching: this.#watching,
      upstream: (site) => ({ pool: this.#pools[site], host: this.#hosts[site] }),
      position: () => this.#position(),
      boxMayWrite: () => parts.boxMayWrite?.() ?? true,
      count: (what) => {
        this.#counts[what] += 1;
      },
    };
    this.#server.maxConnections = this.#limits.userConnections;
    this.#stopListening = parts.link.onChange(({ state, previous }) => this.#linkChanged(state, previous));
  }

  async listen({ host, port }: { host: string; port: number }): Promise<{ host: string; port: number }> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject).listen(port, host, resolve);
    try {
      await promise;
    } catch (cause) {
      throw listenError(cause as NodeJS.ErrnoException, `${host}:${port}`);
    }
    this.#server.off('error', reject);
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  async failback(steps: FailbackSteps, signal?: AbortSignal): Promise<FailbackResult> {
    if (this.#failingBack)
      throw new GatewayError('FAILBACK_RUNNING', 'The way back to the cloud is under way.');
    this.#failingBack = true;
    const { link, clock, logger, policy } = this.#parts;
    const closing = this.#closing.signal;
    const switchTurns = policy === 'fallback' && this.#position().boxReady;
    const room = { link, clock, fence: this.#fence, fenceMaxMs: this.#limits.fenceMaxMs, switchTurns };
    try {
      this.#lastFailback = await failback(room, steps, signal ? AbortSignal.any([closing, signal]) : closing);
      logger.info(this.#lastFailback, 'way back to the cloud ended');
      return this.#lastFailback;
    } finally {
      this.#failingBack = false;
    }
  }

  snapshot(): GatewaySnapshot {
    return {
      site: siteFor(this.#position()) ?? 'nobody',
      fence: this.#fence.raised ? 'raised' : 'down',
      heldWrites: this.#fence.held,
      boxWritesUnderWay: this.#fence.underWay,
      lastFailback: this.#lastFailback,
      requests: this.#requests,
      ...this.#counts,
    };
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#stopListening();
    this.#fence.lift();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const cancel = this.#parts.clock.after(this.#limits.closeGraceMs, () =>
      this.#server.closeAllConnections(),
    );
    this.#server.closeIdleConnections();
    await closed;
    cancel();
    await Promise.all([this.#pools.cloud.destroy(), this.#pools.box.destroy()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    this.#requests += 1;
    // A user who goes away in mid-answer is no error of ours.
    response.on('error', () => undefined);
    const path = pathOf(request.url ?? '/');
    const own = path?.startsWith(ownPrefix) ? this.#ownPage(path, request) : undefined;
    if (path === null) this.#refuse(request, response, 'REQUEST_REFUSED');
    else if (own === null) this.#refuse(request, response, 'NOT_FOUND');
    else if (own) answerStatus(own, request, response);
    else if (wantsWebSocket(request)) this.#refuse(request, response, 'UPGRADE_REFUSED');
    else this.#passOn({ request, response, path });
  }

  #passOn(arrival: { request: IncomingMessage; response: ServerResponse; path: string }): void {
    this.#parts.link.used();
    if (!hasBody(arrival.request)) {
      new Exchange(this.#room, arrival, noBody).go();
      return;
    }
    readRequestBody(arrival.request, this.#limits, this.#budget).then(
      (body) => new Exchange(this.#room, arrival, body).go(),
      () => arrival.response.destroy(),
    );
  }

  #refuse(request: IncomingMessage, response: ServerResponse, code: AnswerCode): void {
    answerSelf({ request, response, state: this.#parts.link.state }, code);
  }

  /** What a page may show of the link; null: there is no such page. */
  #ownPage(path: string, request: IncomingMessage): PublicStatus | null {
    if (path.split('?')[0] !== `${ownPrefix}status` || !isRead(request.method)) return null;
    const { state, since } = this.#parts.link;
    return { state, since: since.toISOString(), site: siteFor(this.#position()) ?? 'nobody' };
  }

  #linkChanged(state: LinkState, previous: LinkState): void {
    if (previous === 'LOCAL' || state === 'LOCAL') this.#boxServes = this.#boxIsReady();
    if (state === 'LOCAL') this.#renewCloudPool();
    for (const exchange of [...this.#watching]) exchange.linkChanged(state);
  }

  /** Connections that were open when the cable went are dead or will be slow to notice; answers under way may finish. */
  #renewCloudPool(): void {
    const old = this.#pools.cloud;
    this.#pools.cloud = this.#openPool('cloud');
    old.close().catch(() => undefined);
  }

  #openPool(site: Site): Pool {
    const { cloudConnectMs, boxConnectMs, upstreamConnections } = this.#limits;
    const { cloudUrl, localUrl, connectCloud } = this.#parts;
    const connect =
      site === 'cloud'
        ? (connectCloud?.(cloudConnectMs) ?? { timeout: cloudConnectMs })
        : { timeout: boxConnectMs };
    return new Pool(site === 'cloud' ? cloudUrl.origin : localUrl.origin, {
      connections: upstreamConnections,
      connect,
      // One connection for all requests would let one lost packet stop all of them.
      allowH2: false,
    });
  }

  #position() {
    const { link, policy } = this.#parts;
    const settled = policy === 'fallback' && (link.state === 'RECOVERING' || link.state === 'CATCHING_UP');
    return { state: link.state, policy, boxReady: settled ? this.#boxServes : this.#boxIsReady() };
  }

  #boxIsReady(): boolean {
    return this.#parts.boxReady?.() ?? true;
  }
}

function wantsWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** The path as it is sent on; null for what is no path. A proxy's absolute form loses its host: sites are ours to choose. */
function pathOf(url: string): string | null {
  if (url.startsWith('/')) return url;
  const absolute = /^https?:\/\//i.test(url) ? URL.parse(url) : null;
  return absolute && `${absolute.pathname}${absolute.search}`;
}
