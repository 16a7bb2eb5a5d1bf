/** What `retention --dry-run` prints: one line per day, newest first, and why it stays. */
import { frenchReason } from '../french/retention.ts';
import { dayOf, type RetentionPolicy } from './policy.ts';
import type { Decision, RetentionPlan } from './retention.ts';

const words = {
  en: {
    keep: 'keep',
    remove: 'remove',
    stay: 'objects stay',
    mayGo: 'may go',
    nothing: 'Nothing is removed:',
    reason: (text: string) => text,
  },
  fr: {
    keep: 'garde',
    remove: 'supprime',
    stay: 'objets restent',
    mayGo: 'peuvent partir',
    nothing: 'Rien n’est supprimé :',
    reason: frenchReason,
  },
};
type Words = (typeof words)['en'];

interface Day {
  bytes: number;
  readonly kept: Map<string, number>;
  readonly removed: Map<string, number>;
  readonly reasons: Set<string>;
}

export function calendar(plan: RetentionPlan, policy: RetentionPolicy, language: 'en' | 'fr' = 'en'): string {
  const say = words[language];
  const days = new Map<string, Day>();
  for (const decision of plan.decisions)
    enter(days, dayOf(Date.parse(decision.object.sealedAt), policy), decision);
  const lines = [...days].sort(([a], [b]) => (a < b ? 1 : -1)).map(([day, facts]) => line(day, facts, say));
  const going = plan.decisions.filter(({ keep }) => !keep);
  const bytes = going.reduce((sum, { object }) => sum + object.bytes, 0);
  const total = `${plan.decisions.length - going.length} ${say.stay}, ${going.length} ${say.mayGo} (${megabytes(bytes)}).`;
  const halt = plan.halted === null ? [] : [`${say.nothing} ${say.reason(plan.halted)}.`];
  return [...lines, '', ...halt, total, ''].join('\n');
}

function enter(days: Map<string, Day>, day: string, { object, keep, reasons }: Decision): void {
  const facts = days.get(day) ?? { bytes: 0, kept: new Map(), removed: new Map(), reasons: new Set() };
  days.set(day, facts);
  const side = keep ? facts.kept : facts.removed;
  side.set(object.kind, (side.get(object.kind) ?? 0) + 1);
  facts.bytes += object.bytes;
  if (object.kind !== 'wal') for (const reason of reasons) facts.reasons.add(reason);
}

function line(day: string, { bytes, kept, removed, reasons }: Day, say: Words): string {
  const keeps = kept.size > 0 ? `${say.keep} ${counts(kept)}` : '';
  const goes = removed.size > 0 ? `${say.remove} ${counts(removed)}` : '';
  const what = [keeps, goes].filter(Boolean).join(', ');
  const why = reasons.size > 0 ? `  (${[...reasons].map(say.reason).join('; ')})` : '';
  return `${day}  ${megabytes(bytes).padStart(10)}  ${what}${why}`;
}

function counts(side: ReadonlyMap<string, number>): string {
  return [...side].map(([kind, count]) => `${count} ${kind}`).join(' ');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
