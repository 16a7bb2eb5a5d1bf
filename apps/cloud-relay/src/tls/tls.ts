/**
 * TLS as the relay speaks it: the certificate that it shows, taken in anew when its files change, and what it says of it to a box
 * that cannot judge dates by its own clock.
 *
 * A new pair of files is taken in whole or not at all: while they do not belong together (they are written one after the other)
 * or cannot be read, the one before goes on being shown, and the log says so. Connections stay as they are. Session tickets
 * are good for a day, and end with the certificate. Without files the relay speaks in clear, for a proxy in front of it.
 */
import type { Server, ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import {
  expiryProblem,
  fingerprintOf,
  readCertificate,
  readServed,
  type Served,
  type TlsFiles,
} from './certificate.ts';

export interface RelayTlsOptions {
  /** Null: the relay listens in clear. */
  files: TlsFiles | null;
  /** Certificates that others show: a TLS proxy in front of this relay, Skooly in the cloud. */
  vouchedFiles: readonly string[];
  logger: Logger;
  now(): Date;
}

/** The files are looked at this often. */
const lookIntervalMs = 30_000;
/** A certificate that should be renewed is spoken of this often. */
const remindIntervalMs = 86_400_000;
const handshakeTimeoutMs = 20_000;
const sessionTimeoutSeconds = 86_400;

export class RelayTls {
  readonly #options: RelayTlsOptions;
  #served: Served | null;
  #vouched: string[];
  /** By what it was that failed. */
  readonly #lastProblems = new Map<string, string>();
  #remindedAtMs = Number.NEGATIVE_INFINITY;

  /** @throws ConfigError */
  constructor(options: RelayTlsOptions) {
    this.#options = options;
    this.#served = options.files && readServed(options.files);
    this.#vouched = this.#readVouched();
    this.#remind();
  }

  /** For the HTTPS server; null: HTTP. */
  serverOptions(): ServerOptions | null {
    if (!this.#served) return null;
    const { cert, key } = this.#served;
    return {
      cert,
      key,
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeTimeoutMs,
      sessionTimeout: sessionTimeoutSeconds,
    };
  }

  /** Fingerprints of the certificates that are the cloud's: the one of this very connection, and those of others. */
  certificates(socket: Socket): string[] {
    const own = socket instanceof TLSSocket ? socket.getX509Certificate() : undefined;
    return [...(own ? [fingerprintOf(own)] : []), ...this.#vouched];
  }

  /** Looks after the files until the signal aborts. */
  async run(server: Pick<Server, 'setSecureContext'>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(lookIntervalMs, undefined, { signal }).catch(() => {});
      if (!signal.aborted) this.look(server);
    }
  }

  /** Takes in what is new in the files. */
  look(server: Pick<Server, 'setSecureContext'>): void {
    this.#attempt('what others show', () => {
      this.#vouched = this.#readVouched();
    });
    this.#attempt('its own', () => this.#takeIn(server));
    this.#remind();
  }

  #attempt(what: string, work: () => void): void {
    try {
      work();
      this.#lastProblems.delete(what);
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#lastProblems.get(what))
        this.#options.logger.error({ err: error, what }, 'a certificate stays the one before');
      this.#lastProblems.set(what, message);
    }
  }

  #takeIn(server: Pick<Server, 'setSecureContext'>): void {
    const { files, logger } = this.#options;
    if (!files || !this.#served) return;
    const fresh = readServed(files);
    if (fresh.cert === this.#served.cert && fresh.key === this.#served.key) return;
    const { sessionTimeout, minVersion } = this.serverOptions() as ServerOptions;
    server.setSecureContext({ cert: fresh.cert, key: fresh.key, sessionTimeout, minVersion });
    this.#served = fresh;
    this.#remindedAtMs = Number.NEGATIVE_INFINITY;
    logger.info({ until: fresh.leaf.validToDate }, 'a new certificate is shown');
  }

  #readVouched(): string[] {
    return this.#options.vouchedFiles.map((path) =>
      fingerprintOf(readCertificate('RELAY_TLS_VOUCHED_CERT_FILES', path).leaf),
    );
  }

  #remind(): void {
    if (!this.#served) return;
    const { logger, now } = this.#options;
    const problem = expiryProblem(this.#served.leaf, now());
    if (problem === null || now().getTime() - this.#remindedAtMs < remindIntervalMs) return;
    this.#remindedAtMs = now().getTime();
    logger.warn({ until: this.#served.leaf.validToDate }, problem);
  }
}
