/** The only place that reads the process's environment. */
export interface RelayEnv {
  RELAY_DATABASE_URL?: string;
  RELAY_LISTEN?: string;
  RELAY_SYNC_MAP?: string;
  RELAY_SIGNING_KEY_FILE?: string;
  RELAY_TRUSTED_KEYS_FILE?: string;
  RELAY_TLS_CERT_FILE?: string;
  RELAY_TLS_KEY_FILE?: string;
  RELAY_TLS_VOUCHED_CERT_FILES?: string;
  ELECTRIC_URL?: string;
  RELAY_FEED_KEEP_DAYS?: string;
  RELAY_FEED_BUDGET_BYTES?: string;
  LOG_LEVEL?: string;
}

export function readEnv(): RelayEnv {
  return process.env as RelayEnv;
}

/** The locale of the person at the terminal. */
export function readLocale(): string | undefined {
  return process.env.LC_ALL || process.env.LANG;
}
