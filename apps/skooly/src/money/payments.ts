/** The rows of the payment table: added once per id, never changed. */
import Type from 'typebox';
import type { Queryable } from '../database/database.ts';
import { SkoolyError } from '../errors.ts';

const Nullable = Type.Union([Type.String(), Type.Null()]);

export const PaymentAnswer = Type.Object({
  id: Type.String(),
  pupilId: Type.String(),
  kind: Type.Union([Type.Literal('payment'), Type.Literal('reversal')]),
  reverses: Nullable,
  amount: Type.Integer(),
  method: Type.Union([Type.Literal('cash'), Type.Literal('mtn'), Type.Literal('orange')]),
  operatorTransaction: Nullable,
  paidAt: Type.String(),
  note: Nullable,
  recordedBy: Type.String(),
});

export type PaymentAnswer = Type.Static<typeof PaymentAnswer>;
export type NewPayment = Omit<PaymentAnswer, 'paidAt'> & { campusId: string; paidAt: Date };

export const paymentColumns = `p.id, p.pupil_id as "pupilId", p.kind, p.reverses, p.amount, p.method,
  p.operator_transaction as "operatorTransaction", p.paid_at as "paidAt", p.note, p.recorded_by as "recordedBy"`;

/** What makes two requests with one id the same payment; who sent it again does not matter. */
const content = [
  'pupilId',
  'kind',
  'reverses',
  'amount',
  'method',
  'operatorTransaction',
  'paidAt',
  'note',
] as const;

/** Adds the payment, or finds that it is there. @throws SkoolyError PAYMENT_DIFFERS */
export async function recordPayment(client: Queryable, payment: NewPayment): Promise<PaymentAnswer> {
  await client.query(
    `insert into payment (id, campus_id, pupil_id, kind, reverses, amount, method, operator_transaction, paid_at,
       note, recorded_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (id) do nothing`,
    [
      payment.id,
      payment.campusId,
      payment.pupilId,
      payment.kind,
      payment.reverses,
      payment.amount,
      payment.method,
      payment.operatorTransaction,
      payment.paidAt,
      payment.note,
      payment.recordedBy,
    ],
  );
  const stored = await readPayment(client, payment.id, payment.campusId).catch((cause: unknown) => {
    throw new SkoolyError('PAYMENT_DIFFERS', { cause });
  });
  const sent = { ...payment, paidAt: payment.paidAt.toISOString() };
  if (content.some((field) => stored[field] !== sent[field])) throw new SkoolyError('PAYMENT_DIFFERS');
  return stored;
}

/** @throws SkoolyError NOT_FOUND unless the payment is one of this campus. */
export async function readPayment(client: Queryable, id: string, campusId: string): Promise<PaymentAnswer> {
  const { rows } = await client.query(
    `select ${paymentColumns} from payment p where p.id = $1 and p.campus_id = $2`,
    [id, campusId],
  );
  const [row] = rows;
  if (!row) throw new SkoolyError('NOT_FOUND', { detail: 'payment' });
  return { ...row, paidAt: row.paidAt.toISOString() };
}
