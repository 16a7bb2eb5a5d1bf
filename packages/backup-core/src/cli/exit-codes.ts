import { frenchPhrase } from '../french/config.ts';
import { frenchError } from '../french/errors.ts';
import { syncLogErrors } from '../log-back/errors.ts';
import { restoreErrors } from '../restore/errors.ts';
import { rowsBackErrors } from '../rows-back/errors.ts';
import { ConfigError } from './config/errors.ts';
import type { Language } from './terminal.ts';

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  manifest: 4,
  damaged: 5,
  attention: 6,
  drillFailed: 7,
  keys: 8,
} as const;

const general: Record<keyof typeof exitCodes, string> = {
  ok: 'done',
  failed: 'it failed in a way that has no code of its own',
  usage: 'the command or the configuration is wrong',
  unreachable: 'a region cannot be reached, or refuses',
  manifest: 'the manifest does not verify: nothing was read behind it',
  damaged: 'verify found something missing or damaged',
  attention: 'status: backups need a person',
  drillFailed: 'the drill failed',
  keys: 'a key or a passphrase does not fit',
};

/** The text below a command's help. */
export function exitCodeHelp(
  names: readonly (keyof typeof exitCodes)[],
  more: Record<number, string> = {},
): string {
  const lines = [
    ...names.map((name) => [exitCodes[name], general[name]] as const),
    ...Object.entries(more).map(([code, words]) => [Number(code), words] as const),
  ];
  return `\nExit codes:\n${lines.map(([code, words]) => `  ${String(code).padStart(2)}  ${words}`).join('\n')}`;
}

export const restoreExitCodes: Record<number, string> = {
  [restoreErrors.RESTORE_NO_BASE.exit]: 'no base precedes the moment, or there is no such dump',
  [restoreErrors.RESTORE_NOT_REACHED.exit]: 'the WAL does not reach the moment',
  [restoreErrors.RESTORE_WAL_GAP.exit]: 'the WAL has a gap before the moment',
  [restoreErrors.RESTORE_FOLDER_NOT_EMPTY.exit]: 'the folder is not empty, or cannot be used',
  [restoreErrors.RESTORE_POSTGRES_MISSING.exit]: 'this machine lacks the Postgres of that major version',
  [restoreErrors.RESTORE_OBJECT_DAMAGED.exit]: 'an object is damaged in every region that was asked',
  [restoreErrors.RESTORE_OBJECT_UNREACHABLE.exit]: 'an object cannot be had from any region',
  [restoreErrors.RESTORE_BASE_DAMAGED.exit]: 'pg_verifybackup refuses the base',
  [restoreErrors.RESTORE_POSTGRES_FAILED.exit]: 'the server did not come up; its log is kept',
  [restoreErrors.RESTORE_TARGET_MISSED.exit]: 'the server is elsewhere than at the moment asked for',
  [restoreErrors.RESTORE_DUMP_FAILED.exit]: 'pg_restore ended with an error',
  [restoreErrors.RESTORE_DATA_DIFFERS.exit]: 'the data differs from what was backed up',
};

export const syncLogExitCodes: Record<number, string> = {
  [restoreErrors.RESTORE_OBJECT_DAMAGED.exit]: restoreExitCodes[
    restoreErrors.RESTORE_OBJECT_DAMAGED.exit
  ] as string,
  [restoreErrors.RESTORE_OBJECT_UNREACHABLE.exit]: restoreExitCodes[
    restoreErrors.RESTORE_OBJECT_UNREACHABLE.exit
  ] as string,
  [syncLogErrors.SYNC_LOG_MISSING.exit]: 'there is no sync log, or none of that epoch',
  [syncLogErrors.SYNC_LOG_GAP.exit]: 'the log has a gap',
  [syncLogErrors.SYNC_LOG_DIFFERS.exit]: 'two objects have other words for one transaction',
  [syncLogErrors.SYNC_LOG_FILE.exit]: 'the file is there already, or cannot be written',
};

export const rowsBackExitCodes: Record<number, string> = {
  [rowsBackErrors.ROWS_BACK_TABLE_UNKNOWN.exit]: 'a table is not there today, or was not then',
  [rowsBackErrors.ROWS_BACK_NO_KEY.exit]: 'a table has no primary key',
  [rowsBackErrors.ROWS_BACK_COLUMN_GONE.exit]: 'a column of then is gone today',
  [rowsBackErrors.ROWS_BACK_ALTERED.exit]: 'a trigger changed what came back; nothing was changed',
  [rowsBackErrors.ROWS_BACK_FAILED.exit]: 'Postgres refused; nothing was changed',
};

/** By the error's own exit code, or by the room that its code begins with. */
export function exitCodeOf(error: unknown): number {
  const { exitCode, code } = (error ?? {}) as { exitCode?: unknown; code?: unknown };
  if (isUsage(error)) return exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (typeof exitCode === 'number') return exitCode;
  const room = typeof code === 'string' ? code.split('_')[0] : '';
  if (room === 'MANIFEST') return exitCodes.manifest;
  if (room === 'REGION') return exitCodes.unreachable;
  if (room === 'KEY' || room === 'SEAL') return exitCodes.keys;
  if (room === 'OBJECT') return exitCodes.damaged;
  return exitCodes.failed;
}

/** Help that was asked for, or a command that was typed wrong: commander has told it already. */
export function isUsage(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && code.startsWith('commander.');
}

/** One sentence for a person, and the advice if the error has one. In French, what the program itself says stands behind. */
export function explain(error: unknown, language: Language = 'en'): string {
  const { code, message, advice } = error as { code?: unknown; message?: string; advice?: string };
  if (language === 'fr' && error instanceof ConfigError)
    return `${error.field} ${frenchPhrase(error.problem)} : ${frenchPhrase(error.fix)}.`;
  const first = message || String(error);
  const french = language === 'fr' ? frenchError(code) : null;
  if (french) return `${french.what} ${french.advice}\n  (${String(code)} : ${first})`;
  return advice && !first.includes(advice.replace(/\.$/, '').slice(1)) ? `${first} ${advice}` : first;
}

/** What is the matter, without advice, for a line that names the place. In French, with the object it is about. */
export function reasonOf(error: unknown, language: Language, object?: string): string {
  const { code, message } = error as { code?: unknown; message?: string };
  const french = language === 'fr' ? frenchError(code) : null;
  if (!french) return message || String(error);
  return object === undefined ? `${french.what} (${code})` : `${object} : ${french.what} (${code})`;
}
