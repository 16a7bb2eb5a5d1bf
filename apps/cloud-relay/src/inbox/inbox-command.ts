/** `skooly-relay conflicts`, `conflict`, `decide`, `undo`: the cloud's inbox, over its database. */
import {
  addInboxCommands,
  type Inbox,
  type InboxTerminal,
  postgresInbox,
  readSyncMap,
  sessionConfig,
  systemTerminal,
  userName,
  WatchedCatalog,
} from '@skooly-edge/sync-protocol';
import type { Command } from 'commander';
import { Pool } from 'pg';
import { readDatabaseUrl } from '../config/config.ts';
import type { RelayEnv } from '../config/env.ts';
import { ConfigError } from '../config/errors.ts';

export interface InboxCommandParts {
  readEnv(): RelayEnv;
  /** Locale of the person, such as `fr_CM.UTF-8`. */
  readLocale(): string | undefined;
  terminal?: InboxTerminal;
}

export function addInbox(program: Command, parts: InboxCommandParts): void {
  const { readEnv, readLocale, terminal } = parts;
  addInboxCommands(program, {
    program: 'skooly-relay',
    terminal: terminal ?? systemTerminal(),
    locale: readLocale(),
    user: userName(),
    extend: (command) => command,
    withInbox: (_options, work) => withInbox(readEnv(), work),
  });
}

async function withInbox(env: RelayEnv, work: (inbox: Inbox) => Promise<number>): Promise<number> {
  const databaseUrl = readDatabaseUrl(env);
  if (!env.RELAY_SYNC_MAP)
    throw new ConfigError('RELAY_SYNC_MAP', 'is not set', 'set it to the path of the sync map');
  const pool = new Pool({ ...sessionConfig(databaseUrl, { applicationName: 'skooly-relay inbox' }), max: 1 });
  try {
    const catalog = await WatchedCatalog.open({ pool, syncMap: readSyncMap(env.RELAY_SYNC_MAP) });
    return await work(postgresInbox({ pool, catalog, now: () => new Date() }));
  } finally {
    await pool.end();
  }
}
