/**
 * One request of a user, from its arrival to its answer. It waits if it must (the fence, or a write that cannot be
 * repeated while the link is in doubt), goes to the site that serves, and when that site fails it, or the link falls
 * meanwhile, goes to the box if that is safe. The first acceptable answer is the answer.
 *
 * It does not promise that a write was done once when the user gets OUTCOME_UNKNOWN: that is what the answer says. A write
 * that has reached a site is let finish there even if its user has gone.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pool } from 'undici';
import type { Clock } from '../link/clock.ts';
import type { Link } from '../link/link.ts';
import type { LinkState } from '../link/states.ts';
import { Attempt, type AttemptListener } from './attempt.ts';
import type { Fence } from './fence.ts';
import { headersToUpstream, headersToUser, type Site } from './headers.ts';
import type { GatewayLimits } from './limits.ts';
import { answerSelf } from './own-answer.ts';
import type { RequestBody } from './request-body.ts';
import { afterFailure, isRepeatable, type Position, siteFor } from './route.ts';
import type { AnswerCode } from './words.ts';

export interface ExchangeRoom {
  link: Pick<Link, 'state' | 'report'>;
  limits: GatewayLimits;
  clock: Clock;
  fence: Fence;
  /** Requests that a change of the link concerns. */
  watching: Set<Exchange>;
  upstream(site: Site): { pool: Pool; host: string };
  position(): Position;
  /** Whether the box has room for a write. */
  boxMayWrite(): boolean;
  count(what: 'repeatedAtBox' | 'outcomeUnknown' | 'boxUnreachable'): void;
}

const readMethods = new Set(['GET', 'HEAD', 'OPTIONS']);
const answeredByProxy = new Set([502, 503, 504]);

export function isRead(method: string | undefined): boolean {
  return readMethods.has(method ?? 'GET');
}

/**
 * "No" to the write itself: true of the box, and perhaps not of the cloud, which may have done it. A request to log in again or
 * to come later says nothing of the write.
 */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 401 && status !== 429;
}

export class Exchange implements AttemptListener {
  readonly #room: ExchangeRoom;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #path: string;
  readonly #body: RequestBody;
  readonly #read: boolean;
  readonly #keyed: boolean;
  readonly #live = new Map<Site, { attempt: Attempt; leaveFence: () => void }>();
  /** A site may have done it. */
  #sent = false;
  #boxTried = false;
  /** The box has it although the cloud may have done it. */
  #repeated = false;
  #answered = false;
  #patienceSpent = false;
  /** The link fell while the cloud had it, and it waits there for its end: no later change of the link concerns it. */
  #leftBehind = false;
  #askedCloudAtMs = 0;
  #stopWaiting: () => void = () => undefined;

  constructor(
    room: ExchangeRoom,
    { request, response, path }: { request: IncomingMessage; response: ServerResponse; path: string },
    body: RequestBody,
  ) {
    this.#room = room;
    this.#request = request;
    this.#response = response;
    this.#path = path;
    this.#body = body;
    this.#read = isRead(request.method);
    this.#keyed = request.headers['idempotency-key'] !== undefined;
    response.once('close', () => this.#userGone());
  }

  /** Sends it where it belongs now, or lets it wait until that is known. */
  go(): void {
    this.#stopWaiting();
    if (this.#response.destroyed) {
      this.#finish();
      return;
    }
    if (!this.#read && this.#room.fence.raised) {
      this.#stopWaiting = this.#room.fence.hold(() => this.go());
      return;
    }
    const site = siteFor(this.#room.position());
    if (site === null) this.#answer(this.#sent && !this.#read ? 'OUTCOME_UNKNOWN' : 'BOX_NOT_READY');
    else if (site === 'cloud' && this.#isRisky()) this.#waitForVerdict();
    else this.#start(site);
  }

  linkChanged(state: LinkState): void {
    const cloud = this.#live.get('cloud')?.attempt;
    if (this.#live.size === 0) this.go();
    if (!cloud || this.#leftBehind) return;
    this.#stopWaiting();
    if (state === 'LOCAL' && this.#answered) this.#cutWhenStill(cloud);
    else if (state === 'LOCAL') this.#leaveCloud(cloud);
    else if (state === 'SUSPECT' && !this.#answered) this.#losePatience();
  }

  onSent(): void {
    this.#sent = true;
  }

  onHead(attempt: Attempt, status: number, rawHeaders: Buffer[]): boolean {
    if (attempt.site === 'box' && status >= 500 && this.#live.has('cloud')) {
      this.#live.get('box')?.leaveFence();
      this.#live.delete('box');
      return false;
    }
    if (attempt.site === 'box' && this.#repeated && isRefusal(status)) {
      this.#answer('OUTCOME_UNKNOWN');
      return false;
    }
    if (attempt.site === 'cloud' && answeredByProxy.has(status)) this.#accuse(`the cloud answered ${status}`);
    if (!this.#response.destroyed) {
      this.#response.writeHead(status, headersToUser(rawHeaders, attempt.site, this.#room.link.state));
    }
    this.#answered = true;
    this.#stopWaiting();
    for (const other of [...this.#live.values()]) if (other.attempt !== attempt) other.attempt.abandon();
    return true;
  }

  onFailure({ site }: Attempt, error: Error & { code?: string }): void {
    if (error.code === 'UND_ERR_INVALID_ARG' || error.code === 'UND_ERR_NOT_SUPPORTED') {
      this.#answer('REQUEST_REFUSED');
      return;
    }
    if (this.#response.destroyed) {
      this.#finish();
      return;
    }
    if (site === 'cloud') this.#accuse(`a request to the cloud failed (${error.code ?? error.message})`);
    if (this.#answered || this.#live.size > 0) return;
    const next = afterFailure(site, this.#circumstances(), this.#room.position().boxReady);
    if ('answer' in next) this.#answer(next.answer);
    else if (this.#boxTried) this.#answer('BOX_APP_UNREACHABLE');
    else if (!this.#read && this.#room.fence.raised) this.go();
    else this.#start('box');
  }

  onEnd(attempt: Attempt): void {
    const live = this.#live.get(attempt.site);
    if (live?.attempt !== attempt) return;
    this.#live.delete(attempt.site);
    live.leaveFence();
    if (this.#live.size === 0 && (this.#answered || this.#response.destroyed)) this.#finish();
  }

  #start(site: Site): void {
    if (this.#response.destroyed) {
      this.#finish();
      return;
    }
    if (site === 'box' && !this.#read && !this.#room.boxMayWrite()) {
      this.#answer(this.#sent ? 'OUTCOME_UNKNOWN' : 'DISK_FULL');
      return;
    }
    if (site === 'box') {
      this.#boxTried = true;
      this.#repeated = this.#sent && !this.#read;
      if (this.#sent) this.#room.count('repeatedAtBox');
    }
    const { pool, host } = this.#room.upstream(site);
    const attempt = new Attempt(site, this.#response, this);
    const leaveFence = site === 'box' && !this.#read ? this.#room.fence.enter() : () => undefined;
    this.#live.set(site, { attempt, leaveFence });
    if (site === 'cloud') {
      this.#askedCloudAtMs = this.#room.clock.now();
      this.#room.watching.add(this);
      if (this.#room.link.state === 'SUSPECT') this.#losePatience();
    }
    const headers = headersToUpstream(this.#request, host);
    const { bytes, content } = this.#body;
    if (bytes !== null && (bytes > 0 || !this.#read)) headers.push('content-length', String(bytes));
    pool.dispatch(
      {
        method: this.#request.method as 'GET',
        path: this.#path,
        headers,
        // undici's types know only one kind of async iterable, a Readable.
        body: content as Buffer | null,
        headersTimeout: this.#room.limits.answerTimeoutMs,
        bodyTimeout: this.#room.limits.bodyIdleMs,
      },
      attempt,
    );
  }

  /** Sent now, and the link proves bad, nobody could say whether it was done. */
  #isRisky(): boolean {
    if (this.#room.link.state !== 'SUSPECT' || this.#patienceSpent) return false;
    return !isRepeatable({ ...this.#circumstances(), sent: true });
  }

  #waitForVerdict(): void {
    this.#room.watching.add(this);
    this.#stopWaiting = this.#room.clock.after(this.#room.limits.suspectHoldMs, () => {
      this.#patienceSpent = true;
      this.go();
    });
  }

  /** A read that the cloud leaves waiting while it is suspect is asked of the box too; the first good answer wins. */
  #losePatience(): void {
    if (!this.#read || this.#boxTried || !this.#sendable || !this.#room.position().boxReady) return;
    const { clock, limits } = this.#room;
    const leftMs = this.#askedCloudAtMs + limits.patienceMs - clock.now();
    this.#stopWaiting = clock.after(Math.max(leftMs, 0), () => this.#start('box'));
  }

  #leaveCloud(cloud: Attempt): void {
    if (isRepeatable(this.#circumstances())) {
      cloud.abandon();
      if (this.#live.size === 0) this.go();
      return;
    }
    this.#leftBehind = true;
    this.#stopWaiting = this.#room.clock.after(this.#room.limits.unsafeGraceMs, () => {
      cloud.abandon();
      this.#answer('OUTCOME_UNKNOWN');
    });
  }

  /** Half an answer of which nothing more comes would leave a page waiting; cut off, it is asked for again. */
  #cutWhenStill(cloud: Attempt): void {
    const { clock, limits } = this.#room;
    this.#leftBehind = true;
    let seen = cloud.progress;
    const look = () => {
      if (cloud.progress === seen) cloud.cut(new Error('the link fell in mid-answer'));
      else this.#stopWaiting = clock.after(limits.unsafeGraceMs, look);
      seen = cloud.progress;
    };
    this.#stopWaiting = clock.after(limits.unsafeGraceMs, look);
  }

  #userGone(): void {
    const uploading = !this.#body.kept && !this.#request.complete;
    if (this.#read || uploading) for (const { attempt } of [...this.#live.values()]) attempt.abandon();
    if (this.#live.size === 0) this.#finish();
  }

  #answer(code: AnswerCode): void {
    this.#answered = true;
    if (code === 'OUTCOME_UNKNOWN') this.#room.count('outcomeUnknown');
    if (code === 'BOX_APP_UNREACHABLE') this.#room.count('boxUnreachable');
    this.#finish();
    if (this.#response.destroyed || this.#response.headersSent) return;
    answerSelf({ request: this.#request, response: this.#response, state: this.#room.link.state }, code);
  }

  #accuse(reason: string): void {
    this.#room.link.report({ type: 'upstreamFailed', reason });
  }

  #unwatch(): void {
    this.#stopWaiting();
    this.#stopWaiting = () => undefined;
    this.#room.watching.delete(this);
  }

  #finish(): void {
    this.#unwatch();
    this.#body.release();
  }

  #circumstances() {
    return { read: this.#read, keyed: this.#keyed, sendable: this.#sendable, sent: this.#sent };
  }

  get #sendable(): boolean {
    return this.#body.kept || !this.#body.started;
  }
}
