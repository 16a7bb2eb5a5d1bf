/**
 * Receipts, numbered per campus, site and year: `MVAN-B-2026-000123` from the box, `MVAN-C-2026-000045` from the cloud.
 * Only one site writes a series, so numbers never clash across the cable. The series is locked until the transaction
 * ends and the next number is the highest so far plus one: no gap when a transaction fails, no two alike, and a box
 * that was seeded anew goes on where the campus stood.
 */
import Type from 'typebox';
import type { Queryable } from '../database/database.ts';
import { receiptId } from '../ids.ts';
import type { NewPayment } from './payments.ts';

export const ReceiptAnswer = Type.Object({
  id: Type.String(),
  number: Type.String(),
  site: Type.String(),
  issuedBy: Type.String(),
});

export type ReceiptAnswer = Type.Static<typeof ReceiptAnswer>;

/** The school's own clock: a receipt of New Year's Eve belongs to the year that the parent sees on it. */
const yearInDouala = new Intl.DateTimeFormat('en-CA', { timeZone: 'Africa/Douala', year: 'numeric' });
const serialDigits = 6;

export function seriesOf(about: { campusId: string; site: string; at: Date }): string {
  const mark = about.site === 'cloud' ? 'C' : 'B';
  return `${about.campusId.toUpperCase()}-${mark}-${yearInDouala.format(about.at)}`;
}

export function receiptNumber(series: string, serial: number): string {
  return `${series}-${String(serial).padStart(serialDigits, '0')}`;
}

/** To be called first in the transaction: whoever takes money at this site for this campus goes one at a time. */
export async function lockSeries(client: Queryable, about: Parameters<typeof seriesOf>[0]): Promise<string> {
  const series = seriesOf(about);
  await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [series]);
  return series;
}

interface Issue {
  payment: NewPayment;
  site: string;
  series: string;
}

/** The receipt that the payment has (this site's own first), or a new one of this site. */
export async function issueReceipt(
  client: Queryable,
  { payment, site, series }: Issue,
): Promise<ReceiptAnswer> {
  const existing = await client.query<ReceiptRow>(
    `${selectReceipt} where payment_id = $1 order by (site = $2) desc, site limit 1`,
    [payment.id, site],
  );
  const [given] = existing.rows;
  if (given) return answerOf(given);
  const issued = await client.query<ReceiptRow>(
    `insert into receipt (id, campus_id, payment_id, site, series, serial, issued_by)
     select $1, $2, $3, $4, $5, coalesce(max(serial), 0) + 1, $6 from receipt where series = $5
     returning id, site, series, serial, issued_by as "issuedBy"`,
    [receiptId(payment.id, site), payment.campusId, payment.id, site, series, payment.recordedBy],
  );
  return answerOf(issued.rows[0] as ReceiptRow);
}

const selectReceipt = 'select id, site, series, serial, issued_by as "issuedBy" from receipt';

interface ReceiptRow {
  id: string;
  site: string;
  series: string;
  serial: number;
  issuedBy: string;
}

function answerOf({ id, site, series, serial, issuedBy }: ReceiptRow): ReceiptAnswer {
  return { id, number: receiptNumber(series, serial), site, issuedBy };
}
