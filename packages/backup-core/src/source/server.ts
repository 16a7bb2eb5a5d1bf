/** The Postgres server that is backed up: how its programs reach it, and the facts that every backup states. */
import pg from 'pg';
import { SourceError } from './errors.ts';

export interface ServerFacts {
  /** `15.18 (Debian …)`. */
  readonly version: string;
  readonly systemIdentifier: string;
  readonly walSegmentBytes: number;
}

const connectTimeoutMs = 15_000;

export async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: 'skooly-backup',
  });
  // A connection that dies between two queries makes the next one fail; without a listener it would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (cause) {
    throw new SourceError('SOURCE_UNREACHABLE', `Postgres cannot be reached: ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    return await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

export async function serverFacts(client: pg.ClientBase): Promise<ServerFacts> {
  const { rows } = await client.query(
    `select current_setting('server_version') as version,
            (select system_identifier::text from pg_control_system()) as "systemIdentifier",
            (select setting::int from pg_settings where name = 'wal_segment_size') as "walSegmentBytes"`,
  );
  return rows[0] as ServerFacts;
}

/** The password travels in the environment: the arguments of a program are for every user of the machine to read. */
export function programAccess(url: string): { dbname: string; env: Record<string, string> } {
  const parsed = new URL(url);
  const password = decodeURIComponent(parsed.password);
  parsed.password = '';
  const env: Record<string, string> = password ? { PGPASSWORD: password } : {};
  return { dbname: parsed.href, env: { ...env, PGAPPNAME: 'skooly-backup' } };
}
