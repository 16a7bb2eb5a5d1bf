/** A pupil's account: the fees of the class and of the pupil, the payments with their receipts, and what is left. */
import Type from 'typebox';
import type { Queryable } from '../database/database.ts';
import type { PupilAnswer } from '../pupils/pupil-row.ts';
import { PaymentAnswer, paymentColumns } from './payments.ts';
import { receiptNumber } from './receipts.ts';

const FeeAnswer = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  schoolYear: Type.String(),
  amount: Type.Integer(),
});

export const AccountAnswer = Type.Object({
  pupilId: Type.String(),
  due: Type.Integer(),
  paid: Type.Integer(),
  /** Still to pay; negative when too much was paid. */
  balance: Type.Integer(),
  fees: Type.Array(FeeAnswer),
  payments: Type.Array(Type.Object({ ...PaymentAnswer.properties, receipts: Type.Array(Type.String()) })),
});

export type AccountAnswer = Type.Static<typeof AccountAnswer>;

export async function readAccount(client: Queryable, pupil: PupilAnswer): Promise<AccountAnswer> {
  const fees = await client.query<Type.Static<typeof FeeAnswer>>(
    `select id, kind, school_year as "schoolYear", amount from fee
     where class_id = $1 or pupil_id = $2 order by school_year, kind, id`,
    [pupil.classId, pupil.id],
  );
  const payments = await client.query(
    `select ${paymentColumns}, (select coalesce(json_agg(json_build_array(r.series, r.serial) order by r.series), '[]')
       from receipt r where r.payment_id = p.id) as receipts
     from payment p where p.pupil_id = $1 order by p.paid_at, p.id`,
    [pupil.id],
  );
  const due = sum(fees.rows.map(({ amount }) => amount));
  const paid = sum(payments.rows.map(({ kind, amount }) => (kind === 'reversal' ? -amount : amount)));
  return {
    pupilId: pupil.id,
    due,
    paid,
    balance: due - paid,
    fees: fees.rows,
    payments: payments.rows.map((row) => ({
      ...row,
      paidAt: row.paidAt.toISOString(),
      receipts: row.receipts.map(([series, serial]: [string, number]) => receiptNumber(series, serial)),
    })),
  };
}

function sum(amounts: number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
