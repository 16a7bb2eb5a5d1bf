/**
 * The settings that the environment may carry, as one schema: type, limits, default, and for a person the fix. `fix` goes
 * into the sentence of a refusal; `secret` keeps the refused value out of it.
 */
import Type from 'typebox';
import { defaultBudgetBytes, defaultKeepDays } from '../sync-log/retention.ts';

const text = (fix: string, options: object = {}) => Type.String({ minLength: 1, fix, ...options });
const httpUrl = (fix: string) => text(fix, { pattern: '^https?://[^/\\s?#]+' });
const address = (fix: string) => text(fix, { pattern: '^(\\[[0-9a-fA-F:]+\\]|[^:\\s]+):\\d{1,5}$' });

function whole(minimum: number, maximum: number, value: number) {
  return Type.Integer({
    minimum,
    maximum,
    default: value,
    fix: `set it to a whole number from ${minimum} to ${maximum}, or leave it out for ${value}`,
  });
}

function choice<const T extends string>(values: readonly [T, ...T[]]) {
  return Type.Enum([...values], {
    default: values[0],
    fix: `set it to ${values.join(' or ')}, or leave it out for ${values[0]}`,
  });
}

const second = 1_000;
const minute = 60 * second;
const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
/** No disk is larger. */
const PiB = 1024 * 1024 * GiB;

export const Fields = Type.Object({
  EDGE_CAMPUS: text('set it to the id of the campus, such as mvan', {
    pattern: '^(?!cloud$)[a-z][a-z0-9-]{1,31}$',
  }),
  EDGE_STATE_DIR: text('set it to a folder that the appliance may write, such as /var/lib/skooly-edge'),
  EDGE_DATABASE_URL: text('set it to postgres://skooly_sync:PASSWORD@HOST:PORT/DATABASE', {
    pattern: '^postgres(ql)?://[^/]+/.+',
    secret: true,
  }),
  EDGE_SYNC_MAP: text('set it to the path of the sync map'),
  EDGE_RELAY_URL: httpUrl('set it to the http:// or https:// URL of the relay'),
  EDGE_CLOUD_PUBLIC_KEY_FILE: text("set it to the path of the relay's Ed25519 public key (PEM)"),
  EDGE_CLOUD_CA_FILE: Type.Optional(
    text('set it to the path of the certificates (PEM) of the authorities of the cloud, or leave it out'),
  ),
  EDGE_MIGRATION_DATABASE_URL: Type.Optional(
    text('set it to postgres://OWNER:PASSWORD@HOST:PORT/DATABASE of the role that owns the tables', {
      pattern: '^postgres(ql)?://[^/]+/.+',
      secret: true,
    }),
  ),
  EDGE_RELEASE_PUBLIC_KEY_FILE: Type.Optional(
    text("set it to the path of the release key's Ed25519 public key (PEM)"),
  ),
  EDGE_PROBE_URLS: Type.Optional(
    text('set it to further URLs under which the relay is reached, separated by commas', {
      pattern: '^\\s*https?://[^,\\s]+(\\s*,\\s*https?://[^,\\s]+){0,7}\\s*$',
    }),
  ),
  EDGE_GATEWAY_LISTEN: address('set it to HOST:PORT, such as 0.0.0.0:80'),
  EDGE_ADMIN_LISTEN: address('set it to HOST:PORT, such as 127.0.0.1:8090'),
  EDGE_CLOUD_APP_URL: httpUrl('set it to the http:// or https:// URL of Skooly in the cloud'),
  EDGE_LOCAL_APP_URL: httpUrl('set it to the http:// URL of Skooly on this box'),
  EDGE_GATEWAY_POLICY: choice(['fallback', 'local-first']),
  EDGE_GATEWAY_FENCE_MAX_MS: whole(100, minute, 5 * second),
  EDGE_GATEWAY_PATIENCE_MS: whole(50, 30 * second, 700),
  EDGE_GATEWAY_ANSWER_TIMEOUT_MS: whole(second, 10 * minute, minute),
  EDGE_LINK_INTERVAL_MS: whole(50, 5 * minute, 5 * second),
  EDGE_LINK_REST_AFTER_MS: whole(0, 24 * 60 * minute, 5 * minute),
  EDGE_LINK_REST_INTERVAL_MS: whole(50, 60 * minute, 10 * minute),
  EDGE_LINK_SUSPECT_INTERVAL_MS: whole(20, minute, second),
  EDGE_LINK_TIMEOUT_MS: whole(50, minute, 4 * second),
  EDGE_LINK_MISSES: whole(1, 100, 3),
  EDGE_LINK_REFUSALS: whole(1, 100, 2),
  EDGE_LINK_HITS: whole(1, 100, 5),
  EDGE_LINK_BROWN_OUT_LOSS_PERCENT: whole(1, 100, 40),
  EDGE_LINK_BROWN_OUT_P95_MS: whole(10, minute, 3 * second),
  EDGE_LINK_BROWN_OUT_WINDOW_MS: whole(100, 10 * minute, 30 * second),
  EDGE_LINK_HOLD_DOWN_MIN_MS: whole(0, 60 * minute, minute),
  EDGE_LINK_HOLD_DOWN_MAX_MS: whole(0, 24 * 60 * minute, 15 * minute),
  EDGE_LINK_HOLD_DOWN_DECAY_MS: whole(100, 24 * 60 * minute, 15 * minute),
  EDGE_LOG_KEEP_DAYS: whole(1, 3_650, defaultKeepDays),
  EDGE_LOG_BUDGET_BYTES: whole(16 * MiB, PiB, defaultBudgetBytes),
  EDGE_DISK_FOLDERS: Type.Optional(
    text(
      "set it to further folders on this box that must not fill up, such as Postgres's data, separated by commas",
      {
        pattern: '^\\s*/[^,]*(,\\s*/[^,]*){0,7}$',
      },
    ),
  ),
  EDGE_DISK_WARN_BYTES: whole(0, PiB, 4 * GiB),
  EDGE_DISK_TRIM_BYTES: whole(0, PiB, 2 * GiB),
  EDGE_DISK_REFUSE_BYTES: whole(0, PiB, 512 * MiB),
  EDGE_DISK_BALLAST_BYTES: whole(0, 10 * GiB, 64 * MiB),
  EDGE_DISK_INTERVAL_MS: whole(100, 10 * minute, 10 * second),
  EDGE_LINK_APP_CHECK: choice(['on', 'off']),
  EDGE_PROOF_AT: text('set it to HH:MM, or to off for none', {
    pattern: '^(([01]\\d|2[0-3]):[0-5]\\d|off)$',
    default: '02:30',
  }),
  EDGE_BACKUP_CONFIG: Type.Optional(
    Type.String({ minLength: 1, fix: 'name the JSON file of skooly-backup' }),
  ),
  LOG_LEVEL: choice(['info', 'trace', 'debug', 'warn', 'error', 'fatal', 'silent']),
});

export type FieldValues = Type.Static<typeof Fields>;

/** A name of these families that is no setting is a typing error, and would otherwise be ignored in silence. */
export const ownFamilies = ['EDGE_LINK_', 'EDGE_GATEWAY_', 'EDGE_LOG_', 'EDGE_DISK_'];
