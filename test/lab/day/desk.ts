/**
 * A person at a desk: logged in through one address, reading and writing there. A write carries an Idempotency-Key, and
 * the very same request is sent again while its outcome is unknown (no answer, or 5xx), a bounded number of times. A
 * session that is refused is renewed once by a new login.
 */
import { Agent, request } from 'undici';
import { hex, type RandomSource } from './chance.ts';
import type { DayLedger, Via } from './ledger.ts';

/** The password of every person in a seeded school. */
const labPassword = 'craie-bleue';
const requestTimeoutMs = 12_000;
const attemptLimit = 40;
const firstDelayMs = 150;
const longestDelayMs = 2_000;

export interface DayClock {
  now(): number;
  /** Resolves early, without an error, when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface DeskRoom {
  urls: Record<Via, string>;
  agent: Agent;
  clock: DayClock;
  random: RandomSource;
  signal: AbortSignal;
  ledger: DayLedger;
}

export interface Request {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  path: string;
  body?: unknown;
}

export interface Sent {
  key: string;
  via: Via;
  sentAtMs: number;
  answeredAtMs: number;
  attempts: number;
}

/** `refused` after several attempts may still hide a first attempt that was done. */
export type Answer<T> =
  | (Sent & { outcome: 'acknowledged'; site: string; body: T })
  | (Sent & { outcome: 'refused'; site: string | null; status: number; code: string; message: string })
  | (Sent & { outcome: 'unacknowledged'; site: null });

export interface Desk {
  login: string;
  via: Via;
  send<T>(asked: Request): Promise<Answer<T>>;
}

export function openAgent(): Agent {
  return new Agent({ connections: 32, headersTimeout: requestTimeoutMs, bodyTimeout: requestTimeoutMs });
}

/** @returns undefined when the login is refused: there is no such person. @throws when nobody answers. */
export async function openDesk(
  room: DeskRoom,
  { login, via }: { login: string; via: Via },
): Promise<Desk | undefined> {
  let token: string | undefined;
  const enter = async () => {
    const body = { login, password: labPassword };
    const answer = await sendUntilAnswered<{ token: string }>(room, via, {
      method: 'POST',
      path: '/api/login',
      body,
    });
    if (answer.outcome === 'unacknowledged')
      throw new Error(`${room.urls[via]} does not answer the login of ${login}`);
    token = answer.outcome === 'acknowledged' ? answer.body.token : undefined;
  };
  await enter();
  if (!token) return undefined;
  return {
    login,
    via,
    async send<T>(asked: Request) {
      const answer = await sendUntilAnswered<T>(room, via, asked, token);
      if (answer.outcome !== 'refused' || answer.status !== 401) return answer;
      await enter();
      return sendUntilAnswered<T>(room, via, asked, token, answer.key);
    },
  };
}

async function sendUntilAnswered<T>(
  room: DeskRoom,
  via: Via,
  asked: Request,
  token?: string,
  key = `${room.ledger.startedAtMs.toString(36)}-${hex(room.random, 24)}`,
): Promise<Answer<T>> {
  const sentAtMs = room.clock.now();
  for (let attempts = 1; ; attempts += 1) {
    const got = await attempt(room, via, asked, { token, key });
    const sent = { key, via, sentAtMs, answeredAtMs: room.clock.now(), attempts };
    if (got && got.status < 500) {
      room.ledger.served[got.site] = (room.ledger.served[got.site] ?? 0) + 1;
      if (got.status < 400) return { ...sent, outcome: 'acknowledged', site: got.site, body: got.body as T };
      const { code, message } = got.body as { code: string; message: string };
      return { ...sent, outcome: 'refused', site: got.site, status: got.status, code, message };
    }
    if (attempts === attemptLimit || room.signal.aborted)
      return { ...sent, outcome: 'unacknowledged', site: null };
    room.ledger.requests.repeated += 1;
    await room.clock.sleep(Math.min(firstDelayMs * attempts, longestDelayMs), room.signal);
  }
}

interface Got {
  status: number;
  site: string;
  body: unknown;
}

/** @returns undefined when there was no whole answer. */
async function attempt(
  { urls, agent, signal }: DeskRoom,
  via: Via,
  { method, path, body }: Request,
  { token, key }: { token: string | undefined; key: string },
): Promise<Got | undefined> {
  const headers: Record<string, string> = { 'accept-language': 'fr' };
  if (token) headers.authorization = `Bearer ${token}`;
  if (method !== 'GET') headers['idempotency-key'] = key;
  if (body !== undefined) headers['content-type'] = 'application/json';
  try {
    const answer = await request(`${urls[via]}${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      dispatcher: agent,
      signal,
    });
    const text = await answer.body.text();
    const site = String(answer.headers['skooly-site'] ?? 'unknown');
    return { status: answer.statusCode, site, body: text === '' ? null : JSON.parse(text) };
  } catch {
    return undefined;
  }
}
