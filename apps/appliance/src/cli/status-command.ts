/** `skooly-edge status`: asks the admin API and shows the answer. A thin client: it knows nothing that the API does not say. */
import type { Status } from '../admin/status.ts';
import { statusScreen } from './status-screen.ts';

export const exitCodes = { ok: 0, failed: 1, notReady: 2, unreachable: 3, attention: 4 } as const;

export const exitCodeHelp = `
Exit codes:
  0  the box works: online, or serving the campus by itself
  1  the command was wrong
  2  the box does not hold the school's data yet
  3  the appliance does not answer
  4  the box works, but a person is needed: transactions are parked, or the cloud does not trust the box`;

export interface StatusOptions {
  admin: string;
  json?: boolean | undefined;
  watch?: boolean | undefined;
}

export interface Terminal {
  write(text: string): void;
  complain(text: string): void;
  colour: boolean;
  nowMs(): number;
  /** Resolves early when the person has had enough. False: enough. */
  pause(ms: number): Promise<boolean>;
}

const askTimeoutMs = 5_000;
const watchEveryMs = 1_000;
const clearScreen = '\u001b[2J\u001b[H';

/** @returns the exit code. */
export async function statusCommand(options: StatusOptions, terminal: Terminal): Promise<number> {
  if (!options.watch) return showOnce(options, terminal);
  let code: number;
  do {
    if (!options.json) terminal.write(clearScreen);
    code = await showOnce(options, terminal);
  } while (await terminal.pause(watchEveryMs));
  return code;
}

async function showOnce({ admin, json }: StatusOptions, terminal: Terminal): Promise<number> {
  const answer = await askStatus(admin);
  if ('problem' in answer) {
    terminal.complain(`skooly-edge: ${answer.problem}\n`);
    return exitCodes.unreachable;
  }
  const { status } = answer;
  const screen = () => statusScreen(status, { nowMs: terminal.nowMs(), colour: terminal.colour });
  terminal.write(`${json ? JSON.stringify(status) : screen()}\n`);
  if (!status.sync.ready) return exitCodes.notReady;
  const untrusted = status.trust.problem !== null;
  return status.sync.parked > 0 || untrusted ? exitCodes.attention : exitCodes.ok;
}

async function askStatus(admin: string): Promise<{ status: Status } | { problem: string }> {
  const advice = 'Start it with `skooly-edge serve`, or name its address with --admin or EDGE_ADMIN_URL.';
  try {
    const url = `${admin.replace(/\/$/, '')}/status`;
    const response = await fetch(url, { signal: AbortSignal.timeout(askTimeoutMs) });
    if (response.ok) return { status: (await response.json()) as Status };
    const refusal = (await response.json().catch(() => ({}))) as { message?: string; advice?: string };
    return {
      problem: `${refusal.message ?? `${admin} answers ${response.status}.`} ${refusal.advice ?? advice}`,
    };
  } catch {
    return { problem: `The appliance does not answer at ${admin}. ${advice}` };
  }
}
