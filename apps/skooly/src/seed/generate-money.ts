/** What is owed and what was paid: public fees and APEE per class, paid whole or in parts, with numbered receipts. */
import { clientId, feeId, receiptId } from '../ids.ts';
import { seriesOf } from '../money/receipts.ts';
import { apeeFees, publicFees } from './curriculum.ts';
import { type MadeClass, type Making, schoolYear } from './generate.ts';

const cashDeskOpensMs = Date.UTC(2025, 8, 1, 7);
const termMs = 80 * 24 * 3_600_000;
const firstCycle = new Set(['6e', '5e', '4e', '3e', 'Form 1', 'Form 2', 'Form 3', 'Form 4', 'Form 5']);
const operatorPrefix = { mtn: 'MP', orange: 'PP' } as const;
const reversedShare = 0.01;

interface Paid {
  pupilId: string;
  amount: number;
  atMs: number;
}

export function addMoney(making: Making): void {
  const { random, plan } = making;
  const paid: Paid[] = [];
  for (const made of making.classes) {
    const owed = addFees(making, made);
    for (const pupilId of made.pupilIds) {
      if (!random.chance(plan.payingShare)) continue;
      for (const amount of instalments(owed, random.chance(0.3))) {
        paid.push({ pupilId, amount, atMs: cashDeskOpensMs + Math.floor(random.next() * termMs) });
      }
    }
  }
  paid.sort((a, b) => a.atMs - b.atMs);
  for (const payment of paid) addPayment(making, payment);
}

function addFees({ rows, plan, random }: Making, made: MadeClass): number[] {
  const amounts = {
    public: firstCycle.has(made.level) ? publicFees.first : publicFees.second,
    apee: random.pick(apeeFees),
  };
  for (const [kind, amount] of Object.entries(amounts)) {
    rows.fee.push({
      id: feeId(made.id, kind, schoolYear),
      campus_id: plan.id,
      class_id: made.id,
      pupil_id: null,
      kind,
      school_year: schoolYear,
      amount,
      updated_by: `intendant.${plan.id}`,
    });
  }
  return Object.values(amounts);
}

/** In full, or public fee first and half of the rest. */
function instalments([publicFee = 0, apee = 0]: number[], inParts: boolean): number[] {
  return inParts ? [publicFee, apee / 2] : [publicFee + apee];
}

function addPayment(making: Making, { pupilId, amount, atMs }: Paid): void {
  const { rows, random, plan } = making;
  const method = random.pick(['cash', 'cash', 'mtn', 'mtn', 'orange'] as const);
  const payment = {
    id: clientId(atMs, random.next),
    campus_id: plan.id,
    pupil_id: pupilId,
    kind: 'payment',
    reverses: null as string | null,
    amount,
    method,
    operator_transaction: method === 'cash' ? null : operatorTransaction(making, method),
    paid_at: new Date(atMs).toISOString(),
    note: null as string | null,
    recorded_by: `intendant.${plan.id}`,
  };
  rows.payment.push(payment);
  addReceipt(making, payment.id, atMs);
  if (!random.chance(reversedShare)) return;
  const reversedAtMs = atMs + 20 * 60_000;
  const reversal = {
    ...payment,
    id: clientId(reversedAtMs, random.next),
    kind: 'reversal',
    reverses: payment.id,
    operator_transaction: null,
    paid_at: new Date(reversedAtMs).toISOString(),
    note: 'erreur de saisie',
  };
  rows.payment.push(reversal);
  addReceipt(making, reversal.id, reversedAtMs);
}

function operatorTransaction({ random, rows }: Making, method: keyof typeof operatorPrefix): string {
  return `${operatorPrefix[method]}25${random.between(1_000_000, 9_999_999)}.${rows.payment.length}`;
}

function addReceipt({ rows, plan }: Making, paymentId: string, atMs: number): void {
  const series = seriesOf({ campusId: plan.id, site: 'cloud', at: new Date(atMs) });
  rows.receipt.push({
    id: receiptId(paymentId, 'cloud'),
    campus_id: plan.id,
    payment_id: paymentId,
    site: 'cloud',
    series,
    serial: rows.receipt.length + 1,
    issued_by: `intendant.${plan.id}`,
  });
}
