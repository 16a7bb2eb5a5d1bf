/** The environment as Skooly names it: the only place that knows the variables' names. Nothing is judged here. */
export interface SkoolyEnv {
  site: string | undefined;
  databaseUrl: string | undefined;
  listen: string | undefined;
  sessionKeyFile: string | undefined;
  trustedKeysFile: string | undefined;
}

export function readEnv(env: NodeJS.ProcessEnv): SkoolyEnv {
  return {
    site: env.SKOOLY_SITE,
    databaseUrl: env.SKOOLY_DATABASE_URL,
    listen: env.SKOOLY_LISTEN,
    sessionKeyFile: env.SKOOLY_SESSION_KEY_FILE,
    trustedKeysFile: env.SKOOLY_TRUSTED_KEYS_FILE,
  };
}
