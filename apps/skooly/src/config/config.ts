/**
 * Turns the environment into checked settings. A wrong or missing field is refused with one sentence that names the
 * variable and the fix. Each command asks only for what it needs: `migrate` wants no keys.
 */
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SkoolyStartError } from '../errors.ts';
import { parsePrivateKey, parseTrustedKeys, type SessionKeys } from '../session/keys.ts';
import { TrustedKeysFile } from '../session/trusted-keys.ts';
import type { SkoolyEnv } from './env.ts';

export interface DatabaseConfig {
  databaseUrl: string;
}

export interface ServeConfig extends DatabaseConfig {
  /** `cloud` or a campus id. */
  site: string;
  host: string;
  port: number;
  keys: SessionKeys;
}

export function databaseConfig(env: SkoolyEnv): DatabaseConfig {
  const databaseUrl = required(
    'SKOOLY_DATABASE_URL',
    env.databaseUrl,
    'postgres://user@127.0.0.1:5432/skooly',
  );
  if (!/^postgres(ql)?:\/\//.test(databaseUrl)) {
    throw refused('SKOOLY_DATABASE_URL must be a URL that begins with postgres://.');
  }
  return { databaseUrl };
}

export function siteConfig(env: SkoolyEnv): string {
  const site = required('SKOOLY_SITE', env.site, 'cloud, or the id of the campus such as mvan');
  if (!/^[a-z][a-z0-9-]{1,31}$/.test(site)) {
    throw refused('SKOOLY_SITE must be cloud or a campus id in lower case such as mvan.');
  }
  return site;
}

/** @param onProblem Told when the trusted keys file cannot be used any more. */
export function serveConfig(env: SkoolyEnv, onProblem: (error: Error) => void): ServeConfig {
  const site = siteConfig(env);
  const listen = required('SKOOLY_LISTEN', env.listen, '127.0.0.1:8080');
  const [, host, port] = /^\[?([^\]]+)\]?:(\d{1,5})$/.exec(listen) ?? [];
  if (!host || !port || Number(port) > 65_535) {
    throw refused('SKOOLY_LISTEN must be host:port, such as 127.0.0.1:8080.');
  }
  const privateKey = fromFile('SKOOLY_SESSION_KEY_FILE', env.sessionKeyFile, parsePrivateKey);
  const trusted = fromFile('SKOOLY_TRUSTED_KEYS_FILE', env.trustedKeysFile, parseTrustedKeys);
  const own = createPublicKey(privateKey);
  if (!(trusted.get(site) ?? own).equals(own)) {
    throw refused(
      `SKOOLY_TRUSTED_KEYS_FILE has another key for ${site} than SKOOLY_SESSION_KEY_FILE: name the same pair.`,
    );
  }
  const path = env.trustedKeysFile as string;
  const live = new TrustedKeysFile({ path, own: { site, key: own }, onProblem });
  const keys = { site, privateKey, trusted: live };
  return { ...databaseConfig(env), site, host, port: Number(port), keys };
}

function fromFile<T>(name: string, path: string | undefined, parse: (text: string) => T): T {
  const file = required(name, path, 'the path of a file');
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw refused(`${name} names ${file}, which cannot be used: ${(cause as Error).message}.`, cause);
  }
}

function required(name: string, value: string | undefined, example: string): string {
  if (value) return value;
  throw refused(`${name} is missing: set it to ${example}.`);
}

function refused(sentence: string, cause?: unknown): SkoolyStartError {
  return new SkoolyStartError('CONFIG_INVALID', sentence, { cause });
}
