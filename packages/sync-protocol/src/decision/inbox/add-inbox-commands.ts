/** What a person types to work on the inbox: `conflicts`, `conflict`, `decide`, `undo`. The same on a box and in the cloud. */
import { conflictKinds } from '../entry.ts';
import { DecisionError, type Language } from '../errors.ts';
import { type Inbox, maxConflictsPerPage } from './inbox.ts';
import {
  decideCommand,
  type InboxContext,
  type InboxTerminal,
  inboxExitCodes,
  listCommand,
  showCommand,
  undoCommand,
} from './inbox-commands.ts';
import { languageOf } from './words.ts';

/** The part of commander's `Command` that is used here. */
export interface CommandLike {
  command(name: string): CommandLike;
  description(text: string): CommandLike;
  option(flags: string, description: string, fallback?: string): CommandLike;
  option<T>(
    flags: string,
    description: string,
    parse: (text: string, before: T) => T,
    fallback?: T,
  ): CommandLike;
  addHelpText(position: 'after', text: string): CommandLike;
  // biome-ignore lint/suspicious/noExplicitAny: what commander hands over depends on what was declared.
  action(work: (...given: any[]) => Promise<void>): CommandLike;
}

export interface InboxAccess {
  /** Name of the program. */
  program: string;
  terminal: InboxTerminal;
  /** Locale of the person, such as `fr_CM.UTF-8`. */
  locale: string | undefined;
  /** Who decides when `--by` does not say. */
  user: string;
  /** Options by which the inbox is found, such as `--admin`. */
  extend(command: CommandLike): CommandLike;
  /** Opens the inbox for one command; `options` as typed. */
  withInbox(options: Record<string, unknown>, work: (inbox: Inbox) => Promise<number>): Promise<number>;
}

const help = `
Exit codes:
  0  done
  1  refused, or not confirmed; nothing was written
  3  nobody answers where the inbox is`;

interface CommonOptions {
  json?: boolean;
  lang?: string;
  [option: string]: unknown;
}

export function addInboxCommands(program: CommandLike, access: InboxAccess): void {
  const { terminal, user } = access;
  const declare = (name: string, description: string) =>
    access
      .extend(program.command(name).description(description))
      .option('--json', 'as one line of JSON')
      .option('--lang <fr|en>', 'language, instead of that of the environment')
      .addHelpText('after', help);
  const run = async (options: CommonOptions, work: (context: InboxContext) => Promise<number>) => {
    const language: Language = languageOf(options.lang ?? access.locale);
    try {
      process.exitCode = await access.withInbox(options, (inbox) =>
        work({ inbox, terminal, language, program: access.program, json: options.json ?? false }),
      );
    } catch (error) {
      if (!(error instanceof DecisionError)) throw error;
      const { message, advice } = error.in(language);
      terminal.complain(`${access.program}: ${message} ${advice}\n`);
      process.exitCode = inboxExitCodes.refused;
    }
  };

  declare('conflicts', 'List what both sites changed and could not both keep, the newest first.')
    .option('--open', 'only those that wait for a person')
    .option('--kind <kind>', `only this kind: ${conflictKinds.join(', ')}`)
    .option('--table <name>', 'only this table, such as public.mark')
    .option('--campus <id>', 'only those of this campus')
    .option('--limit <n>', `entries on a page, at most ${maxConflictsPerPage}`, wholeNumber)
    .option('--after <place>', 'the page behind this place, as the last page named it')
    .action((options) =>
      run(options, (context) => {
        const { open, kind, table, campus, limit, after } = options;
        return listCommand(context, { status: open ? 'open' : undefined, kind, table, campus, limit, after });
      }),
    );

  declare(
    'conflict <id>',
    'Show one conflict: before, both sides, who, when, by which rule, and what decides it.',
  ).action((id: string, options) => run(options, (context) => showCommand(context, id)));

  declare('decide <id...>', 'Decide conflicts, all of them or none. What would be written is shown first.')
    .option('--keep <side>', 'campus or cloud: whose stands', side)
    .option('--set <column=value>', 'another value; may be repeated', collect, [])
    .option('--set-null <column>', 'no value; may be repeated', collect, [])
    .option('--change <n>', 'of a parked transaction: the change that --set is for', wholeNumber)
    .option('--retry', 'have a parked transaction tried again')
    .option('--drop', 'let a parked transaction go')
    .option('--by <name>', 'who decides', user)
    .option('--dry-run', 'only show what would be written')
    .option('--yes', 'do not ask')
    .action((ids: string[], options) => run(options, (context) => decideCommand(context, ids, options)));

  declare('undo <id...>', 'Take decisions back, for 30 days: what stood before is written again.')
    .option('--force', 'also over what was changed since')
    .option('--by <name>', 'who takes it back', user)
    .option('--dry-run', 'only show what would be written')
    .option('--yes', 'do not ask')
    .action((ids: string[], options) => run(options, (context) => undoCommand(context, ids, options)));
}

function collect(text: string, before: string[]): string[] {
  return [...before, text];
}

function side(text: string): string {
  if (text === 'campus' || text === 'cloud') return text;
  throw refusal('keep campus or cloud.');
}

function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw refusal('give a whole number.');
}

/** What commander shows as a wrong argument. */
function refusal(message: string): Error {
  return Object.assign(new Error(message), { code: 'commander.invalidArgument', exitCode: 1 });
}
