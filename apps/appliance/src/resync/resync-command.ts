/**
 * `skooly-edge resync`: a plan, a run that is watched, or its end. A thin client of the admin API. A person is asked before
 * anything is changed, and twice before one side overwrites the other; a script says --yes, and twice too.
 */
import { type InboxTerminal, systemTerminal } from '@skooly-edge/sync-protocol';
import { type Command, InvalidArgumentError } from 'commander';
import { pauseUntilInterrupt } from '../cli/pause.ts';
import type { ResyncMode } from './difference.ts';
import type { Plan, ResyncReport } from './report.ts';
import { planScreen, reportLine } from './resync-screen.ts';

export interface ResyncCommandOptions {
  plan?: boolean;
  table?: string;
  key?: string[];
  json?: boolean;
  yes: number;
  cloudWins?: boolean;
  campusWins?: boolean;
  throttle?: number;
  cancel?: boolean;
  admin: string;
}

export interface ResyncTerminal extends InboxTerminal {
  /** False: the person has had enough. */
  pause(ms: number): Promise<boolean>;
}

export const resyncExitCodes = { ok: 0, wrong: 1, different: 2, unreachable: 3, stopped: 4 } as const;

const help = `
Exit codes:
  0  both sides are equal, or were made so
  1  the command was wrong, or was not confirmed
  2  rows still differ; with --plan: rows differ
  3  the appliance does not answer, or cannot compare now
  4  the run was cancelled or given up`;

const watchEveryMs = 500;

export function addResyncCommand(program: Command, adminUrl: string, terminal?: ResyncTerminal): void {
  program
    .command('resync')
    .description('Compare every row with the cloud and bring together what differs, while both keep working.')
    .option('--plan', 'only say what would be done')
    .option('--table <name>', 'this table only, such as public.pupil')
    .option('--key <json>', 'this row of the table only; may be repeated', collect)
    .option('--cloud-wins', "the cloud's rows stand instead of what the policies say")
    .option('--campus-wins', "this campus's rows stand instead of what the policies say")
    .option('--throttle <KB/s>', 'move no more than this', kilobytes)
    .option('--yes', 'do not ask; to let one side win, give it twice', (_: unknown, n: number) => n + 1, 0)
    .option('--cancel', 'end the run under way; what is repaired stays repaired')
    .option('--json', 'JSON, one line per state')
    .option('--admin <url>', 'address of the admin API', adminUrl)
    .addHelpText('after', help)
    .action(async (options: ResyncCommandOptions) => {
      process.exitCode = await resyncCommand(
        options,
        terminal ?? { ...systemTerminal(), pause: pauseUntilInterrupt },
      );
    });
}

/** @returns the exit code. */
export async function resyncCommand(
  options: ResyncCommandOptions,
  terminal: ResyncTerminal,
): Promise<number> {
  try {
    if (options.cloudWins && options.campusWins)
      throw new RefusedError(resyncExitCodes.wrong, 'Only one side can win.');
    if (options.cancel) return await cancel(options, terminal);
    if (options.plan) return await showPlan(options, terminal);
    const running = await current(options);
    if (running?.state !== 'running') {
      await confirm(options, terminal);
      await start(options);
    } else if (!options.json) terminal.write('A resync is under way already:\n');
    return await watch(options, terminal);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    terminal.complain(`skooly-edge: ${error.message}\n`);
    return error.exitCode;
  }
}

class RefusedError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

function modeOf({ cloudWins, campusWins }: ResyncCommandOptions): ResyncMode {
  if (cloudWins) return 'cloud-wins';
  return campusWins ? 'campus-wins' : 'policy';
}

async function showPlan(options: ResyncCommandOptions, terminal: ResyncTerminal): Promise<number> {
  if (!options.json) terminal.write('Comparing; this changes nothing.\n');
  const query = new URLSearchParams({ mode: modeOf(options) });
  if (options.table) query.set('table', options.table);
  for (const key of options.key ?? []) query.append('key', key);
  const plan = await call<Plan>(options, 'GET', `/resync/plan?${query}`);
  terminal.write(`${options.json ? JSON.stringify(plan) : planScreen(plan)}\n`);
  return plan.tables.every(({ differences }) => differences === 0)
    ? resyncExitCodes.ok
    : resyncExitCodes.different;
}

/** @throws RefusedError */
async function confirm(options: ResyncCommandOptions, terminal: ResyncTerminal): Promise<void> {
  const mode = modeOf(options);
  const what = options.table ?? 'every synced table';
  const questions = [`Compare ${what} with the cloud and repair what differs?`];
  if (mode !== 'policy') {
    const [winner, loser] =
      mode === 'cloud-wins' ? ['the cloud', 'this campus'] : ['this campus', 'the cloud'];
    questions.push(`What ${loser} has otherwise will be overwritten by ${winner}. Are you sure?`);
  }
  for (const question of questions.slice(options.yes)) {
    if (!terminal.ask)
      throw new RefusedError(
        resyncExitCodes.wrong,
        `Nobody is there to ask: give --yes${questions.length > 1 ? ' twice' : ''}.`,
      );
    const answer = (await terminal.ask(`${question} [y/N] `)).trim().toLowerCase();
    if (!['y', 'yes', 'o', 'oui'].includes(answer))
      throw new RefusedError(resyncExitCodes.wrong, 'Nothing was done.');
  }
}

async function start(options: ResyncCommandOptions): Promise<void> {
  await call(options, 'POST', '/resync', {
    table: options.table ?? null,
    keys: options.key?.map(parseKey) ?? null,
    mode: modeOf(options),
    throttleBytesPerSecond: options.throttle ? options.throttle * 1_000 : null,
  });
}

/** Ctrl-C ends the watching, not the run. */
async function watch(options: ResyncCommandOptions, terminal: ResyncTerminal): Promise<number> {
  for (let said = ''; ; ) {
    const report = await current(options);
    if (!report) throw new RefusedError(resyncExitCodes.unreachable, 'The run is gone.');
    const line = options.json ? JSON.stringify(report) : reportLine(report);
    if (line !== said) terminal.write(`${line}\n`);
    said = line;
    if (report.state !== 'running') return exitCodeOf(report);
    if (!(await terminal.pause(watchEveryMs))) {
      terminal.complain('The resync goes on; `skooly-edge resync` shows it again.\n');
      return resyncExitCodes.ok;
    }
  }
}

async function cancel(options: ResyncCommandOptions, terminal: ResyncTerminal): Promise<number> {
  if ((await current(options))?.state !== 'running') {
    terminal.write('No resync is under way.\n');
    return resyncExitCodes.ok;
  }
  await call(options, 'DELETE', '/resync');
  terminal.write('The resync is being cancelled; what is repaired stays repaired.\n');
  return resyncExitCodes.ok;
}

function exitCodeOf({ state, remaining }: ResyncReport): number {
  if (state !== 'done') return resyncExitCodes.stopped;
  return remaining ? resyncExitCodes.different : resyncExitCodes.ok;
}

async function current(options: ResyncCommandOptions): Promise<ResyncReport | null> {
  try {
    return await call<ResyncReport>(options, 'GET', '/resync');
  } catch (error) {
    if (error instanceof RefusedError && error.exitCode === resyncExitCodes.wrong) return null;
    throw error;
  }
}

/** @throws RefusedError */
async function call<T>(
  { admin }: ResyncCommandOptions,
  method: string,
  path: string,
  body?: object,
): Promise<T> {
  const content = body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {};
  const response = await fetch(`${admin.replace(/\/$/, '')}${path}`, { method, ...content }).catch(() => {
    throw new RefusedError(
      resyncExitCodes.unreachable,
      `The appliance does not answer at ${admin}. Start it with \`skooly-edge serve\`, or name its address with --admin.`,
    );
  });
  if (response.ok) return (await response.json()) as T;
  const refusal = (await response.json().catch(() => ({}))) as { message?: string; advice?: string };
  const sentence =
    `${refusal.message ?? `${admin} answers ${response.status}.`} ${refusal.advice ?? ''}`.trim();
  throw new RefusedError(
    response.status >= 500 ? resyncExitCodes.unreachable : resyncExitCodes.wrong,
    sentence,
  );
}

function parseKey(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RefusedError(resyncExitCodes.wrong, `${text} is no key in JSON, like {"id":"…"}.`);
  }
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function kilobytes(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new InvalidArgumentError('give a whole number of kilobytes a second from 1 on.');
}
