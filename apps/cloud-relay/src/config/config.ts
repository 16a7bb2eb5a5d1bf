/** Turns the environment into the relay's configuration, or refuses with one sentence that names the field and the fix. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readSyncMap, type SyncMap } from '@skooly-edge/sync-protocol';
import { defaultFeedRetention, type FeedRetentionSettings } from '../feed/feed-retention.ts';
import { readServed, type TlsFiles } from '../tls/certificate.ts';
import type { RelayEnv } from './env.ts';
import { ConfigError } from './errors.ts';

export interface ListenAddress {
  host: string;
  port: number;
}

export interface RelayConfig {
  databaseUrl: string;
  listen: ListenAddress;
  syncMap: SyncMap;
  signingKey: KeyObject;
  /** What the relay shows to boxes. Left out: it listens in clear, behind a TLS proxy. */
  tls?: TlsFiles | null;
  /** Certificates of others that it vouches for. */
  vouchedCertFiles?: readonly string[];
  /** A real Electric to fan the feed out; null: the relay serves the shape itself. */
  electricUrl: URL | null;
  /** Skooly's trusted keys, which a revoked campus is taken off. Left out: the relay looks after none. */
  trustedKeysFile?: string | null;
  /** How long and how much of the feeds is kept. */
  feedRetention?: FeedRetentionSettings;
  logLevel: string;
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** @throws ConfigError, SyncError SYNC_MAP_INVALID */
export function readConfig(env: RelayEnv): RelayConfig {
  return {
    databaseUrl: readDatabaseUrl(env),
    listen: readListen(env),
    syncMap: readSyncMap(required(env, 'RELAY_SYNC_MAP', 'set it to the path of the sync map')),
    signingKey: readSigningKey(
      required(env, 'RELAY_SIGNING_KEY_FILE', 'set it to the path of an Ed25519 private key (PEM)'),
    ),
    tls: readTls(env),
    vouchedCertFiles: (env.RELAY_TLS_VOUCHED_CERT_FILES ?? '')
      .split(',')
      .map((path) => path.trim())
      .filter((path) => path !== ''),
    electricUrl: env.ELECTRIC_URL ? readUrl('ELECTRIC_URL', env.ELECTRIC_URL, ['http:', 'https:']) : null,
    trustedKeysFile: env.RELAY_TRUSTED_KEYS_FILE || null,
    feedRetention: readFeedRetention(env),
    logLevel: readLogLevel(env),
  };
}

export function readDatabaseUrl(env: RelayEnv): string {
  const text = required(
    env,
    'RELAY_DATABASE_URL',
    'set it to postgres://skooly_sync:PASSWORD@HOST:PORT/DATABASE',
  );
  const url = readUrl('RELAY_DATABASE_URL', text, ['postgres:', 'postgresql:']);
  if (url.pathname.length < 2)
    throw new ConfigError('RELAY_DATABASE_URL', 'names no database', 'add /DATABASE at its end');
  return text;
}

function readFeedRetention(env: RelayEnv): FeedRetentionSettings {
  const { keepDays, budgetBytes } = defaultFeedRetention;
  return {
    keepDays: readWhole(env, 'RELAY_FEED_KEEP_DAYS', 1, keepDays),
    budgetBytes: readWhole(env, 'RELAY_FEED_BUDGET_BYTES', 16 * 1024 * 1024, budgetBytes),
  };
}

function readWhole(env: RelayEnv, field: keyof RelayEnv, least: number, usual: number): number {
  const text = env[field];
  if (!text) return usual;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && Number.isSafeInteger(value)) return value;
  throw new ConfigError(
    field,
    `is ${text}`,
    `set it to a whole number from ${least}, or leave it out for ${usual}`,
  );
}

function readListen(env: RelayEnv): ListenAddress {
  const text = required(env, 'RELAY_LISTEN', 'set it to HOST:PORT, such as 127.0.0.1:8080');
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || colon === text.length - 1 || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new ConfigError(
      'RELAY_LISTEN',
      `is ${JSON.stringify(text)}`,
      'set it to HOST:PORT, such as 127.0.0.1:8080',
    );
  }
  return { host: text.slice(0, colon), port };
}

function readSigningKey(path: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(readFileSync(path));
  } catch (cause) {
    throw new ConfigError(
      'RELAY_SIGNING_KEY_FILE',
      `names ${path}, which cannot be read as a private key (${(cause as Error).message})`,
      'give an Ed25519 private key in PEM',
    );
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new ConfigError(
      'RELAY_SIGNING_KEY_FILE',
      `holds a key of type ${key.asymmetricKeyType}`,
      'give an Ed25519 key',
    );
  }
  return key;
}

function readTls(env: RelayEnv): TlsFiles | null {
  const { RELAY_TLS_CERT_FILE: certFile, RELAY_TLS_KEY_FILE: keyFile } = env;
  if (!certFile && !keyFile) return null;
  if (!certFile)
    throw new ConfigError('RELAY_TLS_CERT_FILE', 'is not set', 'RELAY_TLS_KEY_FILE wants its certificate');
  if (!keyFile)
    throw new ConfigError('RELAY_TLS_KEY_FILE', 'is not set', 'RELAY_TLS_CERT_FILE wants its private key');
  readServed({ certFile, keyFile });
  return { certFile, keyFile };
}

function readLogLevel(env: RelayEnv): string {
  const level = env.LOG_LEVEL ?? 'info';
  if (!logLevels.includes(level))
    throw new ConfigError('LOG_LEVEL', `is ${level}`, `use one of ${logLevels.join(', ')}`);
  return level;
}

function readUrl(field: string, text: string, protocols: string[]): URL {
  const url = URL.parse(text);
  if (!url || !protocols.includes(url.protocol)) {
    throw new ConfigError(
      field,
      'is no URL of the right kind',
      `use one that starts with ${protocols.join('// or ')}//`,
    );
  }
  return url;
}

function required(env: RelayEnv, field: keyof RelayEnv, fix: string): string {
  const value = env[field];
  if (!value) throw new ConfigError(field, 'is not set', fix);
  return value;
}
