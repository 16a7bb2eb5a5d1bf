/** The history of one seed for a person to read: who committed what, when, and what befell whom. */
import type { Change } from '@skooly-edge/sync-protocol';
import type { Committed } from './history.ts';
import type { Scheduler } from './world/scheduler.ts';

export class Trace {
  readonly lines: string[] = [];
  readonly #wanted: boolean;
  #scheduler: Scheduler | null = null;
  #startUs = 0;

  constructor(wanted: boolean) {
    this.#wanted = wanted;
  }

  begin(scheduler: Scheduler, startUs: number): void {
    this.#scheduler = scheduler;
    this.#startUs = startUs;
  }

  note(where: string, what: string): void {
    if (!this.#wanted || !this.#scheduler) return;
    const seconds = ((this.#scheduler.nowUs - this.#startUs) / 1e6).toFixed(3);
    this.lines.push(`${seconds.padStart(9)} ${where.padEnd(13)} ${what}`);
  }

  commit(where: string, commit: Committed | null): void {
    if (!this.#wanted || !commit) return;
    const { origin, applied, changes, messages, endLsn } = commit;
    if (changes.length === 0 && !applied && messages.every(({ content }) => content === '')) return;
    const author = applied
      ? `applies ${applied.campus} up to ${applied.seq}`
      : origin === null
        ? 'own'
        : 'follows';
    this.note(where, `commit ${endLsn} ${author}`);
    for (const change of changes) this.note('', `  ${textOf(change)}`);
    for (const { prefix, content } of messages) {
      if (content === '') continue;
      const { corrections = [] } = JSON.parse(content) as {
        corrections?: { table: string; key: unknown; row: unknown }[];
      };
      for (const { table, key, row } of corrections)
        this.note('', `  ${prefix} ${table} ${JSON.stringify(key)} ${JSON.stringify(row)}`);
    }
  }
}

function textOf({ op, table, key, before, after }: Change): string {
  const place = `${op} ${table} ${JSON.stringify(key)}`;
  if (op === 'update') return `${place} ${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
  return `${place} ${JSON.stringify(after ?? before)}`;
}
