/**
 * The commands of the box. What they do is handed in; here is only what a person may type, and what a failure looks like
 * to them: one sentence, and the advice that comes with it.
 */
import type { InboxTerminal } from '@skooly-edge/sync-protocol';
import { Command, InvalidArgumentError } from 'commander';
import { addAdoptCommand } from '../adopt/adopt-command.ts';
import { openRelay } from '../cloud-tls/open-relay.ts';
import { addEnrolCommand } from '../enrol/enrol-command.ts';
import { addInboxCommand } from '../inbox/inbox-command.ts';
import { addResyncCommand } from '../resync/resync-command.ts';
import { pauseUntilInterrupt } from './pause.ts';
import { exitCodeHelp, statusCommand, type Terminal } from './status-command.ts';

export interface PrepareOptions {
  adminUrl: string;
  syncMap: string;
  passwordFile: string;
  campus: string;
}

export interface CliParts {
  /** Runs the box until it is told to stop. */
  serve(): Promise<void>;
  prepare(options: PrepareOptions): Promise<void>;
  env: Readonly<Record<string, string | undefined>>;
  terminal?: Terminal;
  inboxTerminal?: InboxTerminal;
}

const usualAdminUrl = 'http://127.0.0.1:8090';

export function buildCli(parts: CliParts): Command {
  const { serve, prepare, env, terminal = systemTerminal(), inboxTerminal } = parts;
  const program = new Command('skooly-edge').description(
    'The box that keeps a campus working while the cable is cut.',
  );
  program
    .command('serve')
    .description('Run the box until it is told to stop. Its settings are EDGE_* variables.')
    .action(() => serve());
  program
    .command('prepare')
    .description(
      'Make the database of the campus ready: schema sync, role, publication, slot. May be run again.',
    )
    .requiredOption('--admin-url <url>', 'connection of a superuser', postgresUrl)
    .requiredOption('--sync-map <file>', 'the sync map')
    .requiredOption('--password-file <file>', 'password that the role skooly_sync shall have')
    .requiredOption('--campus <id>', 'id of the campus, such as mvan', campusId)
    .action((options: PrepareOptions) => prepare(options));
  program
    .command('status')
    .description('Show how the box is: state, what waits to be sent, last sync, conflicts, link.')
    .option('--json', 'as one line of JSON')
    .option('--watch', 'again every second, until Ctrl-C')
    .option('--admin <url>', 'address of the admin API', httpUrl, adminUrlOf(env))
    .addHelpText('after', exitCodeHelp)
    .action(async (options: { json?: boolean; watch?: boolean; admin: string }) => {
      process.exitCode = await statusCommand(options, terminal);
    });
  addEnrolCommand(program, env, terminal.write, openRelay);
  addResyncCommand(program, adminUrlOf(env));
  addInboxCommand(program, {
    adminUrl: adminUrlOf(env),
    locale: env.LC_ALL || env.LANG,
    terminal: inboxTerminal,
  });
  addAdoptCommand(program, adminUrlOf(env));
  return program;
}

/** Where a box with this environment answers, so that `status` needs no option on the box itself. */
function adminUrlOf({ EDGE_ADMIN_URL: url, EDGE_ADMIN_LISTEN: listen }: CliParts['env']): string {
  return url || (listen ? `http://${listen}` : usualAdminUrl);
}

const plainSentences: Record<string, string> = {
  EADDRINUSE:
    'An address that the box is to listen on is taken: end the other program, or change the EDGE_*_LISTEN setting',
  ECONNREFUSED:
    'A server that the box needs does not accept connections: check that Postgres runs where EDGE_DATABASE_URL says',
  ENOSPC: 'The disk is full: make room where EDGE_STATE_DIR is',
};

/** One sentence for a person, and the advice if the error has one. */
export function explain(error: unknown): string {
  const { message, advice, code } = error as { message?: string; advice?: string; code?: string };
  const plain = plainSentences[code ?? ''];
  if (plain) return message ? `${plain} (${message}).` : `${plain}.`;
  const first = message || String(error);
  return advice && !first.includes(advice.replace(/\.$/, '').slice(1)) ? `${first} ${advice}` : first;
}

function systemTerminal(): Terminal {
  const { stdout, stderr } = process;
  return {
    write: (text) => stdout.write(text),
    complain: (text) => stderr.write(text),
    colour: stdout.isTTY && stdout.getColorDepth() > 1,
    nowMs: () => Date.now(),
    pause: pauseUntilInterrupt,
  };
}

function campusId(text: string): string {
  if (/^[a-z][a-z0-9-]{1,31}$/.test(text) && text !== 'cloud') return text;
  throw new InvalidArgumentError('use a lower-case id such as mvan.');
}

function postgresUrl(text: string): string {
  if (/^postgres(ql)?:\/\//.test(text)) return text;
  throw new InvalidArgumentError('use a URL that begins with postgres://.');
}

function httpUrl(text: string): string {
  if (/^https?:\/\/[^/]/.test(text)) return text;
  throw new InvalidArgumentError('use a URL that begins with http://.');
}
