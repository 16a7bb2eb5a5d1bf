/**
 * What the commands of the inbox do, the same on a box and in the cloud: list, show, decide, undo. Whatever changes something
 * is shown first, as a dry run, and then asked for, unless `--yes` says so already.
 */

import type { Row } from '../../transaction/transaction.ts';
import type { CarriedOut } from '../carry-out.ts';
import type { EditedChange, NewDecision } from '../decision.ts';
import { questionOf } from '../entry.ts';
import { DecisionError, type Language } from '../errors.ts';
import { blamedChange } from '../parked-decision.ts';
import type { ConflictFilter, Inbox } from './inbox.ts';
import { entryScreen, pageScreen, reportScreen } from './screen.ts';
import { phrases } from './words.ts';

export interface InboxTerminal {
  write(text: string): void;
  complain(text: string): void;
  /** Null: there is nobody to ask. */
  ask: ((question: string) => Promise<string>) | null;
}

export interface InboxContext {
  inbox: Inbox;
  terminal: InboxTerminal;
  language: Language;
  /** The name of the program, for what it suggests to type. */
  program: string;
  json: boolean;
}

export const inboxExitCodes = { ok: 0, refused: 1, unreachable: 3 } as const;

export interface DecideOptions {
  keep?: 'campus' | 'cloud';
  /** `column=value`. */
  set: readonly string[];
  /** Columns that become null. */
  setNull: readonly string[];
  /** Which change of a parked transaction the values are for. */
  change?: number;
  retry?: boolean;
  drop?: boolean;
  by: string;
  dryRun?: boolean;
  yes?: boolean;
}

export async function listCommand(context: InboxContext, filter: ConflictFilter): Promise<number> {
  const { inbox, terminal, json, language } = context;
  const page = await inbox.list(filter);
  terminal.write(json ? `${JSON.stringify(page)}\n` : pageScreen(page, language));
  return inboxExitCodes.ok;
}

export async function showCommand(context: InboxContext, id: string): Promise<number> {
  const { inbox, terminal, json, language, program } = context;
  const entry = await inbox.get(id);
  terminal.write(json ? `${JSON.stringify(entry)}\n` : entryScreen(entry, language, program));
  return inboxExitCodes.ok;
}

/** @throws DecisionError, UsageError */
export async function decideCommand(
  context: InboxContext,
  ids: readonly string[],
  options: DecideOptions,
): Promise<number> {
  const { inbox, language } = context;
  const { by, dryRun = false, yes = false } = options;
  const decision = await decisionOf(inbox, ids, options);
  const say = phrases[language];
  const carryOut = (dry: boolean) => inbox.decide({ ids, decision, by, dryRun: dry });
  return confirmed(context, { dryRun, yes, question: say.asked(ids.length), done: say.written }, carryOut);
}

export async function undoCommand(
  context: InboxContext,
  ids: readonly string[],
  options: { by: string; force?: boolean; dryRun?: boolean; yes?: boolean },
): Promise<number> {
  const { by, force = false, dryRun = false, yes = false } = options;
  const say = phrases[context.language];
  const carryOut = (dry: boolean) => context.inbox.undo({ ids, by, force, dryRun: dry });
  return confirmed(context, { dryRun, yes, question: say.askedUndo(ids.length), done: say.undid }, carryOut);
}

/** The command itself does not fit together. */
export class UsageError extends Error {
  readonly advice: string;

  constructor(message: string, advice: string) {
    super(message);
    this.name = 'UsageError';
    this.advice = advice;
  }
}

interface Confirmation {
  dryRun: boolean;
  yes: boolean;
  question: string;
  done(count: number): string;
}

async function confirmed(
  context: InboxContext,
  { dryRun, yes, question, done }: Confirmation,
  carryOut: (dryRun: boolean) => Promise<CarriedOut>,
): Promise<number> {
  const { terminal, language, json } = context;
  const say = phrases[language];
  const planned = await carryOut(true);
  const refused = planned.entries.some(({ problem }) => problem !== null);
  if (refused || dryRun || !yes) show(context, planned, dryRun || refused);
  if (refused) return refuse(context, planned);
  if (dryRun) {
    if (!json) terminal.write(`${say.dryRun}\n`);
    return inboxExitCodes.ok;
  }
  if (!yes && !(await agreed(context, question))) return inboxExitCodes.refused;
  const written = await carryOut(false);
  if (!written.written) {
    // Something has changed between the two looks.
    show(context, written, true);
    return refuse(context, written);
  }
  if (json || yes) show(context, written, true);
  if (!json) terminal.write(`${done(written.entries.length)}\n`);
  return inboxExitCodes.ok;
}

/** @param final Whether it is what the command ends with: a script reads one line of JSON. */
function show({ terminal, json, language }: InboxContext, carriedOut: CarriedOut, final: boolean): void {
  if (!json) terminal.write(reportScreen(carriedOut, language));
  else if (final) terminal.write(`${JSON.stringify(withoutErrors(carriedOut))}\n`);
}

/** Errors as plain data. */
export function withoutErrors({ written, entries }: CarriedOut) {
  const plain = ({ code, params, message, advice }: DecisionError) => ({ code, params, message, advice });
  return {
    written,
    entries: entries.map((entry) => ({ ...entry, problem: entry.problem && plain(entry.problem) })),
  };
}

function refuse({ terminal, language, json }: InboxContext, { entries }: CarriedOut): number {
  const bad = entries.filter(({ problem }) => problem !== null).length;
  if (!json) terminal.complain(`${phrases[language].notWritten(bad, entries.length)}\n`);
  return inboxExitCodes.refused;
}

async function agreed({ terminal, language }: InboxContext, question: string): Promise<boolean> {
  const say = phrases[language];
  if (!terminal.ask) {
    terminal.complain(`${say.nobodyToAsk}\n`);
    return false;
  }
  const answer = (await terminal.ask(`${question} [${language === 'fr' ? 'o/N' : 'y/N'}] `))
    .trim()
    .toLowerCase();
  if (['y', 'yes', 'o', 'oui'].includes(answer)) return true;
  terminal.complain(`${say.dryRun}\n`);
  return false;
}

/** @throws UsageError */
async function decisionOf(
  inbox: Inbox,
  ids: readonly string[],
  options: DecideOptions,
): Promise<NewDecision> {
  const { keep, retry, drop, change } = options;
  const values = valuesOf(options);
  const givesValues = Object.keys(values).length > 0;
  const ways = [keep, retry, drop, givesValues].filter(Boolean).length;
  if (ways !== 1)
    throw new UsageError(
      ways === 0 ? 'No decision is given.' : 'Only one decision can be given.',
      'Use one of --keep campus, --keep cloud, --set column=value, --retry, --drop.',
    );
  if (keep) return { action: keep };
  if (retry) return { action: 'retry' };
  if (drop) return { action: 'drop' };
  const edits = await editsOf(inbox, ids, values, change);
  return edits ? { action: 'edit', changes: edits } : { action: 'values', values };
}

/** For a parked transaction the values are for the change that is to blame, or for the one that was named. */
async function editsOf(
  inbox: Inbox,
  ids: readonly string[],
  values: Row,
  change: number | undefined,
): Promise<EditedChange[] | null> {
  const first = await inbox.get(ids[0] ?? '').catch((error) => {
    // Whoever decides it hears so together with what is wrong about the others.
    if (error instanceof DecisionError) return null;
    throw error;
  });
  if (!first || questionOf(first) !== 'parked') return null;
  if (ids.length > 1)
    throw new UsageError(
      'Values for a parked transaction are its own.',
      'Decide one such conflict at a time with --set.',
    );
  return [{ index: change ?? blamedChange(first), values }];
}

function valuesOf({ set, setNull }: DecideOptions): Row {
  const values: Row = {};
  for (const text of set) {
    const equals = text.indexOf('=');
    if (equals < 1)
      throw new UsageError(`--set ${text} has no column and value.`, 'Write it as column=value.');
    values[text.slice(0, equals)] = text.slice(equals + 1);
  }
  for (const column of setNull) values[column] = null;
  return values;
}
