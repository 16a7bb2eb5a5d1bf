export type Settings = Readonly<Record<string, string | number | boolean>>;

/** What the engine needs of a Postgres, and what keeps several of them small on one machine. */
const LAB_SETTINGS: Settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  password_encryption: 'scram-sha-256',
  wal_level: 'logical',
  track_commit_timestamp: true,
  max_replication_slots: 64,
  max_wal_senders: 64,
  max_connections: 300,
  shared_buffers: '64MB',
  max_wal_size: '1GB',
  wal_sender_timeout: '60s',
  log_line_prefix: '%m [%p] ',
  log_timezone: 'UTC',
  timezone: 'UTC',
};

/** The text of a settings file; later settings win over the lab's own. */
export function settingsFile(port: number, settings: Settings): string {
  const lines = Object.entries({ ...LAB_SETTINGS, ...settings, port }).map(
    ([name, value]) => `${name} = '${plain(value).replaceAll("'", "''")}'`,
  );
  return `${lines.join('\n')}\n`;
}

function plain(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value);
}
