/**
 * What capture brings of a working day of the school that `--seed school` makes: the acts of the lab's own day
 * (`test/lab/day/programme.ts`) on that school's rows, as transactions, without a database. Every day anew: ids differ, so
 * that nothing repeats which in a school would not.
 */
import { createHash } from 'node:crypto';
import type { CapturedChange, CapturedTransaction, Row } from '@skooly-edge/sync-protocol';
import { generateCampus } from '../../apps/skooly/src/seed/generate.ts';
import { type CampusPlan, plans } from '../../apps/skooly/src/seed/plans.ts';
import { seededRandom } from '../../apps/skooly/src/seed/random.ts';
import type { SeedRow, SeedRows, SeedTable } from '../../apps/skooly/src/seed/rows.ts';

const dayUs = 24 * 3_600_000_000;
const correctedShare = 0.1;
const payingShare = 0.05;
const editedShare = 0.04;

export function seededSchool(): SeedRows {
  const plan = plans.school[0] as CampusPlan;
  return generateCampus(
    { ...plan, rollCallDays: 1, markedSequences: 1 },
    {
      random: seededRandom(20_250_908),
      passwordHash: 'scrypt',
    },
  );
}

/** @param day Counts from 1. */
export function transactionsOfDay(school: SeedRows, day: number): CapturedTransaction[] {
  const random = seededRandom(day);
  const today = (text: string) => deterministicId(`${day} ${text}`);
  const acts: CapturedChange[][] = [];
  const attendance = Map.groupBy(school.attendance, (row) => row.roll_call_id);
  for (const call of school.roll_call) {
    const id = today(String(call.id));
    const absent = (attendance.get(call.id as string) ?? []).map((row) =>
      insert('attendance', { ...row, id: today(String(row.id)), roll_call_id: id }),
    );
    acts.push([insert('roll_call', { ...call, id, period: call.period as number }), ...absent]);
    const [corrected] = absent;
    if (corrected && random.chance(correctedShare))
      acts.push([update(corrected, { status: 'excused', noted_by: 'surveillant.mvan' })]);
  }
  const marks = Map.groupBy(school.mark, (row) => row.assessment_id);
  const byClass = Map.groupBy(school.assessment, (row) => row.class_id);
  for (const assessments of byClass.values()) {
    const rows =
      marks.get(random.pick(assessments.filter(({ id }) => marks.has(id as string))).id as string) ?? [];
    const entered = rows.map((row) =>
      insert('mark', { ...row, id: today(String(row.id)), value: (random.between(8, 72) / 4).toFixed(2) }),
    );
    acts.push(entered);
    if (random.chance(0.5)) acts.push(entered.slice(0, 3).map((mark) => update(mark, { value: '12.00' })));
  }
  for (const [index, payment] of school.payment.entries()) {
    if (index >= school.pupil.length * payingShare) break;
    const id = today(String(payment.id));
    const receipt = school.receipt[index] as SeedRow;
    acts.push([
      insert('payment', { ...payment, id }),
      insert('receipt', { ...receipt, id: today(String(receipt.id)), payment_id: id }),
    ]);
  }
  for (let edit = 0; edit < school.pupil.length * editedShare; edit++) {
    const pupil = insert('pupil', random.pick(school.pupil));
    acts.push([update(pupil, { guardian_phone: `2376${random.between(50_000_000, 99_999_999)}` })]);
  }
  return acts.map((changes, index) => ({
    endLsn: day * 1_000_000 + index + 1,
    committedAt: 1_757_000_000_000_000 + day * dayUs + index * 30_000_000,
    origin: null,
    changes,
    messages: [],
  }));
}

function insert(table: SeedTable, seeded: SeedRow): CapturedChange {
  const row: Row = Object.fromEntries(
    Object.entries(seeded).map(([column, value]) => [column, value === null ? null : String(value)]),
  );
  const by = row.noted_by ?? row.taken_by ?? row.entered_by ?? row.recorded_by ?? row.issued_by ?? null;
  const change = {
    table: `public.${table}`,
    key: { id: row.id ?? '' },
    op: 'insert' as const,
    before: null,
    after: row,
  };
  return { ...change, by, whole: row, wholeBefore: null };
}

function update({ whole, by: _by, ...inserted }: CapturedChange, after: Row): CapturedChange {
  const before = Object.fromEntries(Object.keys(after).map((column) => [column, whole[column] ?? null]));
  return {
    ...inserted,
    op: 'update',
    before,
    after,
    by: 'surveillant.mvan',
    whole: { ...whole, ...after },
    wholeBefore: whole,
  };
}

function deterministicId(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
