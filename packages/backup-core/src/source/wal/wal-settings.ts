/** The settings of the server without which no WAL is archived, or not soon enough. Checked, since a forgotten one is silent. */
import type { ClientBase } from 'pg';

export const archiveTimeoutS = 60;

export interface SettingProblem {
  readonly setting: string;
  readonly found: string;
  readonly wanted: string;
}

/** For postgresql.conf or ALTER SYSTEM. `archive_mode` needs a restart of the server. */
export function walSettings(archiveCommand: string): Record<string, string> {
  return {
    wal_level: 'logical',
    archive_mode: 'on',
    archive_timeout: `${archiveTimeoutS}s`,
    archive_command: archiveCommand,
  };
}

export async function walSettingProblems(
  client: ClientBase,
  archiveCommand: string,
): Promise<SettingProblem[]> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings
      where name in ('wal_level', 'archive_mode', 'archive_timeout', 'archive_command', 'archive_library')`,
  );
  const found = new Map(rows.map(({ name, setting }) => [name, setting]));
  const wrong = (setting: string, wanted: string, fits: (value: string) => boolean): SettingProblem[] => {
    const value = found.get(setting) ?? '';
    return fits(value) ? [] : [{ setting, found: value, wanted }];
  };
  return [
    ...wrong('wal_level', 'replica or logical', (value) => value !== 'minimal'),
    ...wrong('archive_mode', 'on', (value) => value === 'on' || value === 'always'),
    ...wrong(
      'archive_timeout',
      `1 to ${archiveTimeoutS} s`,
      (value) => Number(value) > 0 && Number(value) <= archiveTimeoutS,
    ),
    ...wrong('archive_library', '', (value) => value === ''),
    ...wrong('archive_command', archiveCommand, (value) => value === archiveCommand),
  ];
}
