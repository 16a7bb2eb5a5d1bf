/**
 * How every connection of the engine talks to Postgres: settings that change the text of a value are pinned, so
 * that both sites print the same bytes for the same value, and no value is parsed on its way through.
 *
 * Source: PostgreSQL manual, "Client Connection Defaults: Locale and Formatting".
 */
import type { ClientConfig, CustomTypesConfig } from 'pg';

const pinnedSettings = {
  DateStyle: 'ISO,YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  client_encoding: 'UTF8',
  xmlbinary: 'base64',
};

/** Hands every value over as the text that Postgres printed. */
export const textOnly: CustomTypesConfig = {
  getTypeParser: () => (text: string) => text,
} as CustomTypesConfig;

export interface SessionOptions {
  applicationName: string;
  /** Further settings of the session, such as `session_replication_role`. */
  settings?: Record<string, string>;
}

/** Configuration for a pg Client or Pool of the engine. */
export function sessionConfig(connectionString: string, options: SessionOptions): ClientConfig {
  const settings = { ...pinnedSettings, ...options.settings };
  return {
    connectionString,
    application_name: options.applicationName,
    types: textOnly,
    keepAlive: true,
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  };
}

/** Quotes a name for SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a schema-qualified name, `public.pupil` → `"public"."pupil"`. */
export function quoteTable(table: string): string {
  const dot = table.indexOf('.');
  return `${quoteName(table.slice(0, dot))}.${quoteName(table.slice(dot + 1))}`;
}

/**
 * Slots and replication origins are named per cluster, not per database: the database's name is part of theirs.
 * The result fits Postgres's rule for slot names (lower case, digits, underscore, 63 bytes).
 */
export function replicationName(database: string, purpose: string): string {
  const safe = database
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, '_')
    .slice(0, 40);
  return `edge_${safe}_${purpose}`;
}

/** The database that a connection string names. */
export function databaseName(connectionString: string): string {
  return decodeURIComponent(new URL(connectionString).pathname.slice(1));
}

export const publicationName = 'skooly_edge';
