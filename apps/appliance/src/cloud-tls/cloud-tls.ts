/**
 * How the box makes sure that it speaks with the cloud: one connector for everything that goes there. In order: an ordinary
 * verified handshake; and only when that fails for the dates of a certificate, which OpenSSL holds against this machine's clock,
 * the cloud's word (`cloud-word.ts`). A box that woke up in 1970 authenticates the cloud by the signing key that it was given,
 * and judges the dates by the cloud's signed time. Nothing of a request is sent before that, and nothing turns it off.
 *
 * A certificate that OpenSSL takes is refused all the same when it has run out by a time that surely was reached: a clock that
 * stands in the past must not bring it back. Sessions are resumed, those of ordinary handshakes only.
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { checkServerIdentity, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { Agent, buildConnector, fetch } from 'undici';
import { type InARow, openInARow } from '../relay-client/in-a-row.ts';
import type { RelayFetch } from '../relay-client/relay-fetch.ts';
import { type Dates, type Leaf, outdated, type Word, wordAgainst } from './certificate-dates.ts';
import { askForWord } from './cloud-word.ts';
import { CloudTlsError, explain, isAboutDates } from './errors.ts';

export interface CloudTlsOptions {
  /** PEM of the authorities that are believed, in place of the public ones; null: the public ones. */
  ca: string | null;
  /** Who is asked for the cloud's word. */
  relayUrl: URL;
  /** The relay's signing key. Null: nobody's word is taken. */
  publicKey: KeyObject | null;
  /** Milliseconds since 1970 that have surely passed, as far as it is known. */
  reachedMs(): number | null;
  wallMs(): number;
  /** Milliseconds that only ever go forward. */
  monotonicMs(): number;
  randomBytes(size: 16): Buffer;
  /**
   * Called as the relay is asked for its word, since a certificate is not valid by this machine's clock; what it returns is called
   * with the cloud's time, before anything goes over a connection that rests on the word.
   */
  exchange?(): (cloudTimeMs: number) => void;
}

type Target = Parameters<buildConnector.connector>[0];

const usualTimeoutMs = 10_000;
/** A word is believed for so long, and asked for anew when it does not name a certificate that is shown. */
const wordAgeMs = 3_600_000;

export class CloudTls {
  readonly #options: CloudTlsOptions;
  #madeContext: SecureContext | null = null;
  readonly #agent: Agent;
  readonly #inARow: InARow;
  /** By address. */
  readonly #sessions = new Map<string, Buffer>();
  #word: { word: Word; atMs: number } | null = null;
  #asking: Promise<Word> | null = null;
  #relayDates: Dates | null = null;

  constructor(options: CloudTlsOptions) {
    this.#options = options;
    this.#agent = new Agent({ connect: this.connector(), allowH2: false });
    this.#inARow = openInARow(this.connector());
  }

  /** Over connections of its own kept-alive pool. @throws CloudTlsError for what stands in the way of TLS. */
  readonly fetch: typeof fetch = async (input, init) => {
    try {
      return await fetch(input, { ...init, dispatcher: this.#agent });
    } catch (error) {
      const { cause } = error as Error;
      throw cause instanceof CloudTlsError ? cause : error;
    }
  };

  /** Over one connection, each request behind the last. @throws CloudTlsError for what stands in the way of TLS. */
  get fetchInARow(): RelayFetch {
    return this.#inARow.fetch;
  }

  /** For other pools. Plain HTTP is connected as it always is. */
  connector(timeoutMs = usualTimeoutMs): buildConnector.connector {
    const plain = buildConnector({ timeout: timeoutMs, allowH2: false });
    return (target, done) => {
      if (target.protocol !== 'https:') return plain(target, done);
      this.#connect(target, timeoutMs).then(
        (socket) => done(null, socket),
        (error) => done(error, null),
      );
    };
  }

  /** Of the certificate that the relay showed last; null before. */
  relayDates(): Dates | null {
    return this.#relayDates;
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.#inARow.close()]);
  }

  async #connect(target: Target, timeoutMs: number): Promise<TLSSocket> {
    try {
      return await this.#verified(target, timeoutMs);
    } catch (error) {
      if (!isAboutDates(error)) throw explain(error as Error, target.hostname);
      return await this.#onTheCloudsWord(target, timeoutMs);
    }
  }

  async #verified(target: Target, timeoutMs: number): Promise<TLSSocket> {
    const address = `${target.hostname}:${target.port}`;
    const session = this.#sessions.get(address);
    const socket = await this.#open(target, {
      rejectUnauthorized: true,
      ...(session && { session }),
      timeout: timeoutMs,
    });
    const certificate = certificateOf(socket);
    const leaf = certificate && leafOf(certificate);
    const problem = leaf && outdated(leaf, this.#options.reachedMs());
    if (problem) {
      socket.destroy();
      throw new CloudTlsError('CERTIFICATE_DATES', `${target.hostname}: ${problem}.`);
    }
    socket.on('session', (fresh) => this.#sessions.set(address, fresh));
    if (leaf) this.#note(target, leaf);
    return socket;
  }

  /** What the chain says is not asked here, since dates hide what else may be wrong with it: the word is about this certificate. */
  async #onTheCloudsWord(target: Target, timeoutMs: number): Promise<TLSSocket> {
    const socket = await this.#open(target, { rejectUnauthorized: false, timeout: timeoutMs });
    try {
      const certificate = certificateOf(socket);
      if (!certificate) throw new Error(`${target.hostname} shows no certificate`);
      const stranger = checkServerIdentity(target.hostname, certificate.toLegacyObject());
      if (stranger) throw explain(stranger, target.hostname);
      const leaf = leafOf(certificate);
      await this.#believe(leaf, target.hostname);
      if (socket.destroyed) throw new Error(`${target.hostname} closed the connection meanwhile`);
      this.#note(target, leaf);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** @throws CloudTlsError */
  async #believe(leaf: Leaf, host: string): Promise<void> {
    const word = await this.#wordOn(leaf).catch((cause) => {
      const clock = new Date(this.#options.wallMs()).toISOString();
      const message = `${host}: by this box's clock (${clock}) the certificate is not valid, and the relay does not vouch for it (${cause.message}).`;
      throw new CloudTlsError('CERTIFICATE_DATES', message, { cause });
    });
    const problem = wordAgainst(leaf, word);
    if (problem) throw new CloudTlsError('CERTIFICATE_DATES', `${host}: ${problem}.`);
  }

  async #wordOn({ fingerprint }: Leaf): Promise<Word> {
    const { publicKey, relayUrl, monotonicMs } = this.#options;
    const known = this.#word;
    const ageMs = known ? monotonicMs() - known.atMs : 0;
    if (known && ageMs < wordAgeMs && known.word.certificates.has(fingerprint))
      return { ...known.word, timeMs: known.word.timeMs + ageMs };
    if (!publicKey) throw new Error('the public key of the cloud is not known here');
    this.#asking ??= this.#ask({ relayUrl, publicKey }).finally(() => {
      this.#asking = null;
    });
    return await this.#asking;
  }

  async #ask(whom: { relayUrl: URL; publicKey: KeyObject }): Promise<Word> {
    const { monotonicMs, randomBytes, exchange } = this.#options;
    const nonce = randomBytes(16).toString('hex');
    const word = await askForWord({ ...whom, nonce, secureContext: this.#context, exchange });
    this.#word = { word, atMs: monotonicMs() };
    return word;
  }

  #open(target: Target, options: buildConnector.BuildOptions): Promise<TLSSocket> {
    const connect = buildConnector({
      secureContext: this.#context,
      allowH2: false,
      maxCachedSessions: 0,
      ...options,
    });
    return new Promise((resolve, reject) => {
      connect(target, (error, socket) => (error ? reject(error) : resolve(socket as TLSSocket)));
    });
  }

  /** Made when it is needed: a box whose relay is reached in clear has no use for a hundred authorities. */
  get #context(): SecureContext {
    const { ca } = this.#options;
    this.#madeContext ??= createSecureContext({ ...(ca && { ca }), minVersion: 'TLSv1.2' });
    return this.#madeContext;
  }

  #note({ hostname, port }: Target, { notBefore, notAfter }: Leaf): void {
    const { relayUrl } = this.#options;
    if (hostname === relayUrl.hostname && (port || '443') === (relayUrl.port || '443'))
      this.#relayDates = { notBefore, notAfter };
  }
}

function certificateOf(socket: TLSSocket): X509Certificate | null {
  const certificate = socket.getPeerX509Certificate();
  return certificate instanceof X509Certificate ? certificate : null;
}

function leafOf({ fingerprint256, validFromDate, validToDate }: X509Certificate): Leaf {
  const fingerprint = fingerprint256.replaceAll(':', '').toLowerCase();
  return { fingerprint, notBefore: validFromDate, notAfter: validToDate };
}
