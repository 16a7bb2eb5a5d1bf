/** What must hold when a round is over and both sides are at rest. */
import pg from 'pg';
import { type DayLedger, verifyLedger } from '../lab/day/day.ts';
import type { Lab } from '../lab/lab.ts';
import { isChangedBack } from './changed-back.ts';
import type { Group } from './workload/groups.ts';

const restSeconds = 90;
const shownDifferences = 5;

export interface Written {
  readonly ledgers: readonly DayLedger[];
  readonly groups: readonly Group[];
  /** Ids of the payments in the cloud before the round. */
  readonly paymentsBefore: ReadonlySet<string>;
}

export interface Findings {
  /** Sentences about what does not hold. */
  readonly problems: string[];
  /** Acknowledged values that the cloud had changed back to: their loss is what the protocol says, and is always told. */
  readonly known: string[];
}

export async function checkRound(lab: Lab, written: Written): Promise<Findings> {
  const comparison = await lab.verify({ waitSeconds: restSeconds });
  const problems: string[] = [];
  const known: string[] = [];
  for (const { campus, equal, pendingTransactions, differences } of comparison.campuses) {
    if (equal) continue;
    const first = differences.slice(0, shownDifferences).map((one) => JSON.stringify(one));
    problems.push(
      `${campus} and the cloud differ (pending: ${pendingTransactions ?? 'unknown'}): ${first.join(' ')}`,
    );
  }
  for (const ledger of written.ledgers) await checkLedger(lab, ledger, { problems, known });
  for (const campus of lab.campuses) {
    const groups = written.groups.filter((group) => group.campus === campus);
    const addresses = lab.addresses(campus);
    problems.push(...(await checkGroups(addresses.cloud.postgres, groups, 'the cloud')));
    problems.push(...(await checkGroups(addresses.campus.postgres, groups, campus)));
  }
  await checkMoney(lab, written, problems);
  problems.push(...(await checkConflicts(lab)));
  return { problems, known };
}

interface Payment {
  readonly id: string;
  readonly campus_id: string;
  readonly kind: string;
  readonly reverses: string | null;
  readonly recorded_by: string;
}

export async function readPayments(lab: Lab): Promise<Payment[]> {
  const rows = await ask(
    lab.addresses().cloud.postgres,
    'select id::text, campus_id, kind, reverses::text, recorded_by from payment',
  );
  return rows as unknown as Payment[];
}

async function checkLedger(lab: Lab, ledger: DayLedger, { problems, known }: Findings): Promise<void> {
  const { cloud, campus } = lab.addresses(ledger.campus);
  const report = await verifyLedger(ledger, {
    cloudDatabaseUrl: cloud.postgres,
    campusDatabaseUrl: campus.postgres,
  });
  for (const one of report.firstDifferences) {
    const line = `acknowledged at ${ledger.campus}: ${JSON.stringify(one)}`;
    (isChangedBack(lab.stateDirOf(ledger.campus), one) ? known : problems).push(line);
  }
}

async function checkGroups(url: string, groups: readonly Group[], site: string): Promise<string[]> {
  const rows = await ask(
    url,
    'select family_name, count(*)::int as n, min(guardian_name) as low, max(guardian_name) as high from pupil where family_name = any($1) group by 1',
    [groups.map(({ name }) => name)],
  );
  const found = new Map(rows.map((row) => [row.family_name, row]));
  return groups.flatMap(({ name, size, possible }) => {
    const row = found.get(name);
    const value = row === undefined ? null : String(row.low);
    const whole = row === undefined || (row.n === size && row.low === row.high);
    if (whole && possible.includes(value)) return [];
    return [
      `${name} at ${site} is ${JSON.stringify(row ?? null)}, not ${size} rows of ${JSON.stringify(possible)}`,
    ];
  });
}

/**
 * Every payment that came is one that somebody sent. One that was refused when it was sent again may have been done the first time:
 * the ledger has it as uncertain.
 */
async function checkMoney(lab: Lab, { ledgers, paymentsBefore }: Written, problems: string[]): Promise<void> {
  const writes = ledgers.flatMap((ledger) => ledger.writes.filter(({ kind }) => kind === 'payment'));
  const sent = new Set(writes.map(({ rowKey }) => rowKey.id));
  const came = (await readPayments(lab)).filter(({ id }) => !paymentsBefore.has(id));
  for (const payment of came.filter(({ id }) => !sent.has(id)))
    problems.push(`a payment that nobody was told of: ${JSON.stringify(payment)}`);
}

async function checkConflicts(lab: Lab): Promise<string[]> {
  const twice = await ask(
    lab.addresses().cloud.postgres,
    `select campus_epoch, campus_seq, table_name, row_key, kind from sync.conflict
      where campus_seq is not null group by 1, 2, 3, 4, 5 having count(*) > 1`,
  );
  return twice.map((row) => `the same conflict twice: ${JSON.stringify(row)}`);
}

async function ask(url: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}
