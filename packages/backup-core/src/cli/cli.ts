/**
 * The commands of skooly-backup. What reaches out (regions, the terminal, the end of the process) is handed in; here and in the
 * files of the commands is what a person may type, and what a failure looks like to them.
 */
import { Command } from 'commander';
import type pino from 'pino';
import { frenchAfter, frenchComplaint, putInFrench } from '../french/help.ts';
import type { OpenRegion } from './archive.ts';
import { addDrillCommand } from './drill-command.ts';
import { addKeysCommands } from './keys-command.ts';
import { addKitCommand } from './kit-command.ts';
import { addListCommand } from './list-command.ts';
import { addRestoreCommand } from './restore-command.ts';
import { addRetentionCommand } from './retention-command.ts';
import { addRowsBackCommand } from './rows-back-command.ts';
import { addRunCommands } from './run-command.ts';
import { addStatusCommand } from './status-command.ts';
import { addSyncLogCommand } from './sync-log-command.ts';
import type { Terminal } from './terminal.ts';
import { addVerifyCommand } from './verify-command.ts';

export interface CliParts {
  readonly openRegion: OpenRegion;
  readonly terminal: Terminal;
  /** Ends what runs; nothing half is left behind. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Of the daemon. */
  readonly log: pino.Logger;
  setExitCode(code: number): void;
}

export function buildCli(parts: CliParts): Command {
  const program = new Command('skooly-backup').description(
    'Sealed backups in two regions: made, watched, proven, and brought back.',
  );
  program.exitOverride();
  const { write, complain, language } = parts.terminal;
  program.configureOutput({
    writeOut: language === 'fr' ? (text) => write(frenchAfter(text)) : write,
    writeErr: language === 'fr' ? (text) => complain(frenchComplaint(text)) : complain,
  });
  addRunCommands(program, parts);
  addKeysCommands(program, parts);
  addKitCommand(program, parts);
  addStatusCommand(program, parts);
  addListCommand(program, parts);
  addVerifyCommand(program, parts);
  addRestoreCommand(program, parts);
  addSyncLogCommand(program, parts);
  addDrillCommand(program, parts);
  addRowsBackCommand(program, parts);
  addRetentionCommand(program, parts);
  if (language === 'fr') putInFrench(program);
  return program;
}
