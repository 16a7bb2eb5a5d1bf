/** The way to the relay for a command that is run once, before the box has a configuration or a clock of its own. */
import { randomBytes } from 'node:crypto';
import { readAuthorities, readPublicKey } from '../config/files.ts';
import { CloudTls } from './cloud-tls.ts';

export interface RelayIdentity {
  relayUrl: URL;
  /** Authorities in PEM; left out, the public ones. */
  caFile: string | undefined;
  /** The relay's public key; left out, a certificate that is not valid by this machine's clock is refused. */
  cloudKeyFile: string | undefined;
}

/** @throws ConfigError */
export function openRelay({ relayUrl, caFile, cloudKeyFile }: RelayIdentity): CloudTls {
  return new CloudTls({
    ca: caFile ? readAuthorities('EDGE_CLOUD_CA_FILE', caFile) : null,
    relayUrl,
    publicKey: cloudKeyFile ? readPublicKey('EDGE_CLOUD_PUBLIC_KEY_FILE', cloudKeyFile) : null,
    reachedMs: () => null,
    wallMs: Date.now,
    monotonicMs: () => performance.now(),
    randomBytes,
  });
}
