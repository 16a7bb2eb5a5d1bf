/**
 * The trusted keys file as it is now: it is looked at each time a key is asked for, and read anew when it is another one. So
 * a campus that is taken off the file is trusted no more from the next request on, without a restart. While the file cannot
 * be read, only this site's own sessions are believed: better that people log in again than that a revoked box is believed.
 */
import type { KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { parseTrustedKeys, type TrustedKeys } from './keys.ts';

export interface TrustedKeysFileOptions {
  path: string;
  /** Always trusted, whatever the file says. */
  own: { site: string; key: KeyObject };
  /** Told once for each state of the file that cannot be used. */
  onProblem(error: Error): void;
}

export class TrustedKeysFile implements TrustedKeys {
  readonly #options: TrustedKeysFileOptions;
  #keys: Map<string, KeyObject>;
  #read: string;

  /** @throws Error when the file cannot be used now. */
  constructor(options: TrustedKeysFileOptions) {
    this.#options = options;
    this.#read = identity(options.path);
    this.#keys = parseTrustedKeys(readFileSync(options.path, 'utf8'));
  }

  get(site: string): KeyObject | undefined {
    const { own, path } = this.#options;
    if (site === own.site) return own.key;
    const now = identity(path);
    if (now !== this.#read) this.#reread(now);
    return this.#keys.get(site);
  }

  #reread(now: string): void {
    this.#read = now;
    try {
      this.#keys = parseTrustedKeys(readFileSync(this.#options.path, 'utf8'));
    } catch (error) {
      this.#keys = new Map();
      this.#options.onProblem(error as Error);
    }
  }
}

/** Another text for each state of the file, and for there being none. */
function identity(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat ? `${stat.ino}.${stat.size}.${stat.mtimeNs}.${stat.ctimeNs}` : 'missing';
}
