/** Every payment for which somebody holds a receipt is in the cloud, once, or waits visibly; and nothing else is. */
import type { World } from './check.ts';

export function money({ ledger, cloud, cloudHistory }: World): string[] {
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
  return problems;
}
