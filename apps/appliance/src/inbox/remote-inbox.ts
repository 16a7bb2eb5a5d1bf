/** The inbox behind a box's admin API. */
import {
  type CarriedOut,
  type ConflictEntry,
  type ConflictPage,
  DecisionError,
  type DecisionErrorCode,
  decisionErrors,
  type Inbox,
} from '@skooly-edge/sync-protocol';

/** The box does not answer, or cannot ask its database. */
export class InboxUnreachableError extends Error {
  readonly code = 'INBOX_UNREACHABLE';
  readonly advice: string;

  constructor(message: string, advice: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'InboxUnreachableError';
    this.advice = advice;
  }
}

const startAdvice = 'Start it with `skooly-edge serve`, or name its address with --admin.';

/** Decisions about many entries take a moment. */
const answerTimeoutMs = 60_000;

export function remoteInbox(adminUrl: string): Inbox {
  const ask = <T>(method: string, path: string, body?: object) => call<T>(adminUrl, method, path, body);
  return {
    list: (filter) => ask<ConflictPage>('GET', `/conflicts?${queryOf(filter)}`),
    get: (id) => ask<ConflictEntry>('GET', `/conflicts/${encodeURIComponent(id)}`),
    decide: async (asked) => outcomeOf(await ask('POST', '/conflicts/decide', asked)),
    undo: async (asked) => outcomeOf(await ask('POST', '/conflicts/undo', asked)),
  };
}

function queryOf(filter: object): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value !== undefined) query.set(name, String(value));
  return query;
}

type WireProblem = { code: DecisionErrorCode; params?: Record<string, string> };
type WireOutcome = {
  written: boolean;
  entries: (Omit<CarriedOut['entries'][0], 'problem'> & { problem: WireProblem | null })[];
};

function outcomeOf({ written, entries }: WireOutcome): CarriedOut {
  const problemOf = ({ code, params }: WireProblem) => new DecisionError(code, params);
  return {
    written,
    entries: entries.map((entry) => ({ ...entry, problem: entry.problem && problemOf(entry.problem) })),
  };
}

/** @throws DecisionError, InboxUnreachableError */
async function call<T>(adminUrl: string, method: string, path: string, body?: object): Promise<T> {
  const content = body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {};
  const request = { method, ...content, signal: AbortSignal.timeout(answerTimeoutMs) };
  const response = await fetch(`${adminUrl.replace(/\/$/, '')}${path}`, request).catch((cause) => {
    const message = `The appliance does not answer at ${adminUrl}.`;
    throw new InboxUnreachableError(message, startAdvice, { cause });
  });
  const answer = (await response.json().catch(() => ({}))) as Partial<WireProblem & WireOutcome> & {
    message?: string;
    advice?: string;
  };
  if (response.ok || answer.entries) return answer as T;
  if (answer.code && answer.code in decisionErrors) throw new DecisionError(answer.code, answer.params);
  const message = answer.message ?? `${adminUrl} answers ${response.status}.`;
  if (response.status >= 500) throw new InboxUnreachableError(message, answer.advice ?? startAdvice);
  throw Object.assign(new Error(message), { advice: answer.advice });
}
