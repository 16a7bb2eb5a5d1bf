/**
 * Money, in whole XAF, only ever added to: a payment, or the reversal of one. The id comes from the desk that took the
 * money, so a request that is sent again is the same payment; the same id with another content is refused. Each
 * payment gets a receipt in the same transaction. What a pupil owes is computed when asked for.
 */
import Type from 'typebox';
import type { Database } from '../database/database.ts';
import { SkoolyError } from '../errors.ts';
import { Id, IdParams, Moment, plausibleMoment } from '../fields.ts';
import { readPupil } from '../pupils/pupils.ts';
import type { SkoolyServer } from '../server-types.ts';
import { requireRole } from '../session/roles.ts';
import { userOf } from '../session/session.ts';
import { AccountAnswer, readAccount } from './account.ts';
import { type NewPayment, PaymentAnswer, readPayment, recordPayment } from './payments.ts';
import { issueReceipt, lockSeries, ReceiptAnswer } from './receipts.ts';

/** Above any fee: a slip of the finger does not become a payment. */
const maxAmountXaf = 2_000_000;
const PaymentRequest = Type.Object(
  {
    id: Id,
    pupilId: Id,
    amount: Type.Integer({ minimum: 1, maximum: maxAmountXaf }),
    method: Type.Union([Type.Literal('cash'), Type.Literal('mtn'), Type.Literal('orange')]),
    operatorTransaction: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9.]{6,40}$' })),
    paidAt: Moment,
    note: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  },
  { additionalProperties: false },
);
const ReversalRequest = Type.Object(
  { id: Id, reason: Type.String({ minLength: 3, maxLength: 200 }), reversedAt: Moment },
  { additionalProperties: false },
);
const PaymentWithReceipt = Type.Object({ payment: PaymentAnswer, receipt: ReceiptAnswer });

export interface MoneyRoom {
  database: Database;
  site: string;
  now(): number;
}

export function moneyRoutes(server: SkoolyServer, room: MoneyRoom): void {
  const { database } = room;
  const postSchema = { body: PaymentRequest, response: { 200: PaymentWithReceipt } };
  server.post('/payments', { schema: postSchema }, async (request) => {
    const { role, campusId, login } = userOf(request);
    requireRole(role, 'take-money');
    const { body } = request;
    if ((body.method === 'cash') !== (body.operatorTransaction === undefined)) {
      throw new SkoolyError('REQUEST_INVALID', { detail: 'operatorTransaction belongs to mtn and orange' });
    }
    await readPupil(database, body.pupilId, campusId);
    return addPayment(room, {
      ...body,
      campusId,
      kind: 'payment',
      reverses: null,
      operatorTransaction: body.operatorTransaction ?? null,
      note: body.note ?? null,
      paidAt: plausibleMoment(body.paidAt, room.now()),
      recordedBy: login,
    });
  });

  const reversalSchema = { params: IdParams, body: ReversalRequest, response: { 200: PaymentWithReceipt } };
  server.post('/payments/:id/reversal', { schema: reversalSchema }, async (request) => {
    const { role, campusId, login } = userOf(request);
    requireRole(role, 'take-money');
    const reversed = await readPayment(database, request.params.id, campusId);
    if (reversed.kind !== 'payment') throw new SkoolyError('NOT_REVERSIBLE');
    return addPayment(room, {
      ...reversed,
      id: request.body.id,
      campusId,
      kind: 'reversal',
      reverses: reversed.id,
      operatorTransaction: null,
      note: request.body.reason,
      paidAt: plausibleMoment(request.body.reversedAt, room.now()),
      recordedBy: login,
    });
  });

  const accountSchema = { params: IdParams, response: { 200: AccountAnswer } };
  server.get('/pupils/:id/payments', { schema: accountSchema }, async (request) => {
    const pupil = await readPupil(database, request.params.id, userOf(request).campusId);
    return readAccount(database, pupil);
  });
}

function addPayment(room: MoneyRoom, payment: NewPayment): Promise<Type.Static<typeof PaymentWithReceipt>> {
  return room.database.transaction(async (client) => {
    const series = await lockSeries(client, {
      campusId: payment.campusId,
      site: room.site,
      at: payment.paidAt,
    });
    const recorded = await recordPayment(client, payment);
    const receipt = await issueReceipt(client, { payment, site: room.site, series });
    return { payment: recorded, receipt };
  });
}
