/**
 * Talking to the server. Reads are tried again. Writes go through an outbox on this device: each keeps the key and the
 * body it was made with, and the very same request is sent again until the server has answered it, also after the page
 * was closed. An answer of "unknown outcome" is settled by that: the server recognises what it has already done.
 */
import { currentLanguage } from './words.js';

const timeoutMs = 15_000;
const readAttempts = 4;
const firstDelayMs = 600;
const longestDelayMs = 5_000;
const outboxName = 'skooly-outbox';

/** What the last answer said of who is serving: `{ site, state, unsure }`. */
export const link = { site: null, state: null, unsure: false };
const listeners = new Set();

/** Calls `listener` whenever the link or the outbox changed. */
export const onChange = (listener) => listeners.add(listener);

export class Refused extends Error {
  constructor(status, { code, message, advice }) {
    super(advice ? `${message} ${advice}` : message);
    this.status = status;
    this.code = code;
  }
}

export class NoAnswer extends Error {}

export async function read(path) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request('GET', path);
    } catch (error) {
      if (!(error instanceof NoAnswer) || attempt === readAttempts) throw error;
      await pause(delayAfter(attempt));
    }
  }
}

/** A write that the person waits for, such as the login: sent again with the same key a few times. */
export async function submit(method, path, body) {
  const key = newKey();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request(method, path, { key, body });
    } catch (error) {
      if (!(error instanceof NoAnswer) || attempt === readAttempts) throw error;
      await pause(delayAfter(attempt));
    }
  }
}

export const outbox = () => JSON.parse(localStorage.getItem(outboxName) ?? '[]');

/** Keeps a write on this device until it is answered. A newer one for the same thing replaces one not yet sent. */
export function post(item) {
  const waiting = outbox().filter((other) => other.path !== item.path || other.key === sending);
  store([...waiting, { key: newKey(), ...item }]);
}

export const dismiss = (key) => store(outbox().filter((item) => item.key !== key));

let sending = null;

/** Sends what waits for `login()`, one after the other: nobody's work goes out under another's name. */
export async function flush(login, settled) {
  if (sending) return;
  try {
    let failures = 0;
    for (;;) {
      const item = outbox().find((one) => one.login === login() && !one.refused);
      if (!item) return;
      sending = item.key;
      try {
        await request(item.method, item.path, item);
        failures = 0;
        dismiss(item.key);
        settled(item);
      } catch (error) {
        if (error instanceof Refused && error.status === 401) throw error;
        if (error instanceof Refused) {
          refuse(item.key, error.message);
        } else {
          failures += 1;
          await pause(delayAfter(failures));
        }
      }
    }
  } finally {
    sending = null;
    setUnsure(false);
  }
}

async function request(method, path, { key, body } = {}) {
  const headers = { 'accept-language': currentLanguage() };
  if (key) headers['idempotency-key'] = key;
  if (body) headers['content-type'] = 'application/json';
  let response;
  let answer;
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    response = await fetch(path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal,
      cache: 'no-store',
    });
    answer = response.status === 204 ? null : await response.json();
  } catch (cause) {
    if (!response) heard(null, null);
    if (method !== 'GET') setUnsure(true);
    throw new NoAnswer(path, { cause });
  }
  heard(response.headers.get('skooly-site'), response.headers.get('x-skooly-edge-state'));
  if (response.status >= 500) {
    if (method !== 'GET') setUnsure(true);
    throw new NoAnswer(answer?.code ?? path);
  }
  if (!response.ok) throw new Refused(response.status, answer);
  if (method !== 'GET') setUnsure(false);
  return answer;
}

function heard(site, state) {
  const changed = link.site !== site || link.state !== state;
  Object.assign(link, { site, state });
  if (changed) tell();
}

function setUnsure(unsure) {
  const changed = link.unsure !== unsure;
  link.unsure = unsure;
  if (changed) tell();
}

function refuse(key, message) {
  store(outbox().map((item) => (item.key === key ? { ...item, refused: message } : item)));
}

function store(items) {
  localStorage.setItem(outboxName, JSON.stringify(items));
  tell();
}

function tell() {
  for (const listener of listeners) listener();
}

/** Random bits by hand: `crypto.randomUUID` exists only on secure origins, and a box may be reached by plain HTTP. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const delayAfter = (failures) => Math.min(firstDelayMs * 2 ** (failures - 1), longestDelayMs);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
