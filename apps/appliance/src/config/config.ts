/**
 * Turns the environment into the appliance's configuration. First every field is held against its schema, then the files
 * that they name are read, then what must fit together is compared. The first thing that is wrong is refused with one
 * sentence that names the field and the fix. Nothing is created or connected here.
 */
import type { KeyObject } from 'node:crypto';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { readSyncMap, type SyncMap } from '@skooly-edge/sync-protocol';
import { Value } from 'typebox/value';
import type { LinkSettings } from '../link/settings.ts';
import type { EdgeEnv } from './env.ts';
import { ConfigError } from './errors.ts';
import { Fields, type FieldValues, ownFamilies } from './fields.ts';
import { readAuthorities, readPublicKey, requireReadable } from './files.ts';
import { type MigrationConfig, readMigrationAccess } from './migration-access.ts';
import { Secret } from './secret.ts';
import { readStorage, type StorageConfig } from './storage.ts';

export interface ListenAddress {
  host: string;
  port: number;
}

export type GatewayPolicy = FieldValues['EDGE_GATEWAY_POLICY'];

export interface ApplianceConfig {
  storage: StorageConfig;
  campus: string;
  /** May not exist yet. */
  stateDir: string;
  /** Carries a password. */
  databaseUrl: Secret;
  syncMap: SyncMap;
  relayUrl: URL;
  /** Ed25519: what the relay signs its health with. */
  cloudPublicKey: KeyObject;
  /** PEM of the authorities that certificates of the cloud come from; null: the public ones. */
  cloudCa: string | null;
  /** Null: the box does not follow the cloud's schema by itself. */
  migrations: MigrationConfig | null;
  /** Where the relay is probed; its own URL comes first. */
  probeUrls: URL[];
  /** Whether the link also asks Skooly in the cloud. Off where no such Skooly runs. */
  appCheck: boolean;
  link: LinkSettings;
  gatewayListen: ListenAddress;
  adminListen: ListenAddress;
  cloudAppUrl: URL;
  localAppUrl: URL;
  policy: GatewayPolicy;
  fenceMaxMs: number;
  patienceMs: number;
  answerTimeoutMs: number;
  /** `HH:MM` of the daily proof of equality; null: none. */
  proofAt: string | null;
  /** The JSON file of `skooly-backup`; null: this box makes no backups. */
  backupConfigFile: string | null;
  logLevel: FieldValues['LOG_LEVEL'];
}

/** @throws ConfigError, and SyncError SYNC_MAP_INVALID for what the sync map says. */
export function readConfig(env: EdgeEnv): ApplianceConfig {
  const values = readFields(env);
  refuseContradictions(values);
  requireReadable('EDGE_SYNC_MAP', values.EDGE_SYNC_MAP);
  const relayUrl = readUrl('EDGE_RELAY_URL', values.EDGE_RELAY_URL);
  return {
    campus: values.EDGE_CAMPUS,
    stateDir: writableFolder('EDGE_STATE_DIR', values.EDGE_STATE_DIR),
    databaseUrl: new Secret(values.EDGE_DATABASE_URL),
    syncMap: readSyncMap(values.EDGE_SYNC_MAP),
    relayUrl,
    cloudPublicKey: readPublicKey('EDGE_CLOUD_PUBLIC_KEY_FILE', values.EDGE_CLOUD_PUBLIC_KEY_FILE),
    cloudCa: values.EDGE_CLOUD_CA_FILE
      ? readAuthorities('EDGE_CLOUD_CA_FILE', values.EDGE_CLOUD_CA_FILE)
      : null,
    migrations: readMigrationAccess(values, readPublicKey),
    probeUrls: [relayUrl, ...furtherProbeUrls(values.EDGE_PROBE_URLS)],
    appCheck: values.EDGE_LINK_APP_CHECK === 'on',
    link: linkSettings(values),
    gatewayListen: readAddress('EDGE_GATEWAY_LISTEN', values.EDGE_GATEWAY_LISTEN),
    adminListen: readAddress('EDGE_ADMIN_LISTEN', values.EDGE_ADMIN_LISTEN),
    cloudAppUrl: readUrl('EDGE_CLOUD_APP_URL', values.EDGE_CLOUD_APP_URL),
    localAppUrl: readUrl('EDGE_LOCAL_APP_URL', values.EDGE_LOCAL_APP_URL),
    policy: values.EDGE_GATEWAY_POLICY,
    fenceMaxMs: values.EDGE_GATEWAY_FENCE_MAX_MS,
    patienceMs: values.EDGE_GATEWAY_PATIENCE_MS,
    answerTimeoutMs: values.EDGE_GATEWAY_ANSWER_TIMEOUT_MS,
    storage: readStorage(values),
    proofAt: values.EDGE_PROOF_AT === 'off' ? null : values.EDGE_PROOF_AT,
    backupConfigFile: values.EDGE_BACKUP_CONFIG ?? null,
    logLevel: values.LOG_LEVEL,
  };
}

function readFields(env: EdgeEnv): FieldValues {
  const set = Object.entries(env).filter(([, value]) => value !== undefined && value !== '');
  const unknown = set.find(
    ([name]) => ownFamilies.some((family) => name.startsWith(family)) && !(name in Fields.properties),
  );
  if (unknown)
    throw new ConfigError(unknown[0], 'is no setting of the appliance', 'correct its name or remove it');
  const known = Object.fromEntries(set.filter(([name]) => name in Fields.properties));
  const values = Value.Default(Fields, numbersOf(known));
  for (const [name, schema] of Object.entries(Fields.properties)) {
    const field = name as keyof FieldValues;
    const value = (values as Record<string, unknown>)[field];
    const { fix, secret } = schema as { fix?: string; secret?: boolean };
    if (value === undefined && Fields.required.includes(field as never)) {
      throw new ConfigError(field, 'is not set', fix ?? 'set it');
    }
    if (value !== undefined && !Value.Check(schema, value)) {
      const problem = secret ? 'is not of the right form' : `is ${JSON.stringify(known[field])}`;
      throw new ConfigError(field, problem, fix ?? 'correct it');
    }
  }
  return values as FieldValues;
}

/** Whole numbers become numbers; anything else stays text, and is refused where a number belongs. */
function numbersOf(texts: Record<string, string | undefined>): Record<string, unknown> {
  const entries = Object.entries(texts).map(([name, text]) => {
    const { type } = Fields.properties[name as keyof FieldValues] as { type?: string };
    return [name, type === 'integer' && /^\d+$/.test(text ?? '') ? Number(text) : text];
  });
  return Object.fromEntries(entries);
}

function refuseContradictions(values: FieldValues): void {
  const { EDGE_LINK_HOLD_DOWN_MIN_MS: min, EDGE_LINK_HOLD_DOWN_MAX_MS: max } = values;
  if (min > max) {
    const fix = `set it to EDGE_LINK_HOLD_DOWN_MAX_MS (${max}) or less`;
    throw new ConfigError('EDGE_LINK_HOLD_DOWN_MIN_MS', `is ${min}`, fix);
  }
  for (const [field, other] of [
    ['EDGE_ADMIN_LISTEN', 'EDGE_GATEWAY_LISTEN'],
    ['EDGE_LOCAL_APP_URL', 'EDGE_CLOUD_APP_URL'],
  ] as const) {
    if (values[field] === values[other]) throw new ConfigError(field, `equals ${other}`, 'give each its own');
  }
}

function linkSettings(values: FieldValues): LinkSettings {
  return {
    intervalMs: values.EDGE_LINK_INTERVAL_MS,
    rest: {
      afterMs: values.EDGE_LINK_REST_AFTER_MS,
      intervalMs: Math.max(values.EDGE_LINK_REST_INTERVAL_MS, values.EDGE_LINK_INTERVAL_MS),
    },
    suspectIntervalMs: Math.min(values.EDGE_LINK_SUSPECT_INTERVAL_MS, values.EDGE_LINK_INTERVAL_MS),
    timeoutMs: values.EDGE_LINK_TIMEOUT_MS,
    missesToLocal: values.EDGE_LINK_MISSES,
    refusalsToLocal: values.EDGE_LINK_REFUSALS,
    hitsToCatchUp: values.EDGE_LINK_HITS,
    brownOut: {
      lossRatio: values.EDGE_LINK_BROWN_OUT_LOSS_PERCENT / 100,
      p95Ms: values.EDGE_LINK_BROWN_OUT_P95_MS,
      windowMs: values.EDGE_LINK_BROWN_OUT_WINDOW_MS,
    },
    holdDown: {
      minMs: values.EDGE_LINK_HOLD_DOWN_MIN_MS,
      maxMs: values.EDGE_LINK_HOLD_DOWN_MAX_MS,
      decayMs: values.EDGE_LINK_HOLD_DOWN_DECAY_MS,
    },
  };
}

function readUrl(field: keyof FieldValues, text: string): URL {
  const url = URL.parse(text);
  if (!url)
    throw new ConfigError(
      field,
      `is ${JSON.stringify(text)}`,
      'set it to a whole URL such as http://HOST:PORT',
    );
  return url;
}

function furtherProbeUrls(text: string | undefined): URL[] {
  return (text ?? '')
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => readUrl('EDGE_PROBE_URLS', part.trim()));
}

function readAddress(field: keyof FieldValues, text: string): ListenAddress {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (port > 65_535) throw new ConfigError(field, `is ${JSON.stringify(text)}`, 'use a port up to 65535');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port };
}

function writableFolder(field: keyof FieldValues, path: string): string {
  if (!existsSync(path)) return path;
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const fix = 'give a folder that this user may write';
    throw new ConfigError(field, `names ${path}, which cannot be written`, fix, { cause });
  }
  if (!statSync(path).isDirectory())
    throw new ConfigError(field, `names ${path}, which is no folder`, 'give a folder');
  return path;
}
