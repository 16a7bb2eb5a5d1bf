/** Every payment for which somebody holds a receipt is in the cloud, once, or waits visibly; and nothing else is. */
import type { Change } from '@skooly-edge/sync-protocol';
import { wholeTransactions } from '../campus.ts';
import type { World } from './check.ts';

export function money(world: World): string[] {
  const { ledger, cloud, cloudHistory } = world;
  const problems: string[] = [];
  const held = new Map(
    [...cloud.table('public.payment').rows.values()].map(({ row }) => [row.id ?? '', Number(row.amount)]),
  );
  const waiting = new Set(
    [...cloud.table('sync.parked').rows.values()].flatMap(
      ({ row }) => row.body?.match(/t:[a-z0-9.-]+/g) ?? [],
    ),
  );
  const receipts = new Map(ledger.flatMap(({ payments }) => payments.map(({ id, amount }) => [id, amount])));
  for (const [id, amount] of receipts) {
    if (held.get(id) !== amount && !waiting.has(id)) problems.push(`payment ${id} of ${amount} is lost`);
  }
  // A commit whose answer was lost is there without a receipt.
  const committed = new Set(cloudHistory.commits.flatMap(({ changes }) => changes.map(({ key }) => key.id)));
  for (const id of held.keys())
    if (!receipts.has(id) && !committed.has(id)) problems.push(`payment ${id} is nobody's`);
  return [...problems, ...purses(world)];
}

/** What was added at both sides is in the balance, once; what waits parked is not. The other columns keep their extremes. */
function purses({ cloud, cloudHistory, campuses }: World): string[] {
  const waiting = new Set(
    [...cloud.table('sync.parked').rows.values()].map(({ row }) => `${row.campus} ${row.seq}`),
  );
  const expected = new Map<
    string,
    { balance: number; lowest: number; highest: number; labels: Set<string> }
  >();
  const take = (changes: readonly Change[]) => {
    for (const { table, key, before, after } of changes) {
      if (table !== 'public.purse' || !before || !after) continue;
      const purse = expected.get(key.id ?? '') ?? {
        balance: 0,
        lowest: 1_000,
        highest: 1_000,
        labels: new Set(),
      };
      expected.set(key.id ?? '', purse);
      if (after.balance) purse.balance += Number(after.balance) - Number(before.balance);
      purse.lowest = Math.min(purse.lowest, Number(after.lowest ?? purse.lowest));
      purse.highest = Math.max(purse.highest, Number(after.highest ?? purse.highest));
      for (const label of JSON.parse(after.labels ?? '[]') as string[]) purse.labels.add(label);
    }
  };
  for (const { changes } of cloudHistory.own) take(changes);
  for (const { name, box } of campuses)
    for (const { seq, changes } of wholeTransactions(box)) if (!waiting.has(`${name} ${seq}`)) take(changes);
  return [...expected].flatMap(([id, { balance, lowest, highest, labels }]) => {
    const row = cloud.table('public.purse').rows.get(`public.purse ${JSON.stringify([id])}`)?.row ?? {};
    const problems: string[] = [];
    if (Number(row.balance) !== balance)
      problems.push(`${id} holds ${row.balance}, ${balance} was put into it`);
    if (Number(row.lowest) !== lowest) problems.push(`the lowest of ${id} is ${row.lowest}, not ${lowest}`);
    if (Number(row.highest) !== highest)
      problems.push(`the highest of ${id} is ${row.highest}, not ${highest}`);
    const has = new Set(JSON.parse(row.labels ?? '[]') as string[]);
    for (const label of labels) if (!has.has(label)) problems.push(`${id} has lost its label ${label}`);
    return problems;
  });
}
