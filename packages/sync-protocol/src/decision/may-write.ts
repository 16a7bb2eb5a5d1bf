/** Whether a site may write what a decision writes: the cloud everything, a campus what it may write anyway. */
import type { Table } from '../postgres/apply/catalog.ts';
import type { Row } from '../transaction/transaction.ts';
import type { RowWrite } from './decision.ts';
import { DecisionError } from './errors.ts';

/** @throws DecisionError FORBIDDEN_HERE: the cloud would refuse it when it comes, and park the decision with it. */
export function mayWrite(site: string, table: Table, write: RowWrite, current: Row | null): void {
  if (site === 'cloud') return;
  const { rule, name } = table;
  const refuse = (what: string) => new DecisionError('FORBIDDEN_HERE', { site, what });
  if (rule.direction === 'down') throw refuse(name);
  if (rule.appendOnly && write.op !== 'insert') throw refuse(name);
  const readOnly =
    write.op === 'update' && rule.readOnlyColumns.find((column) => column in (write.after ?? {}));
  if (readOnly) throw refuse(`${name}.${readOnly}`);
  if (rule.scope === null) return;
  const owners = [current?.[rule.scope], write.after?.[rule.scope]];
  if (owners.some((owner) => owner !== undefined && owner !== site)) throw refuse(name);
}
