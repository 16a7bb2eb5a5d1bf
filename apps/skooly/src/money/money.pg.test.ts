import { afterAll, beforeAll, expect, test } from 'vitest';
import { clientId } from '../ids.ts';
import { seededRandom } from '../seed/random.ts';
import { type LabSites, openLabSites, testNow } from '../testing/lab-sites.ts';

let lab: LabSites;
let token: string;
let pupils: string[];
const random = seededRandom(11);
beforeAll(async () => {
  lab = await openLabSites();
  token = await lab.cloud.login('intendant.mvan');
  const unpaid = await lab.database.query(
    "select id from pupil p where campus_id = 'mvan' and not exists (select from payment where pupil_id = p.id) order by id",
  );
  pupils = unpaid.rows.map(({ id }) => id);
});
afterAll(() => lab[Symbol.asyncDispose]());

const newId = () => clientId(testNow, random.next);
const cash = (pupilId: string | undefined, amount = 5_000) => ({
  id: newId(),
  pupilId,
  amount,
  method: 'cash',
  paidAt: '2026-02-10T08:00:00.000Z',
});

test('a payment gets a receipt of the site that took it, each in its own series', async () => {
  const inCloud = await lab.cloud.call(token, 'POST', '/api/payments', cash(pupils[0]));
  const onCampus = await lab.campus.call(token, 'POST', '/api/payments', cash(pupils[0]));
  expect(inCloud.body.receipt).toMatchObject({ number: 'MVAN-C-2026-000001', site: 'cloud' });
  expect(onCampus.body.receipt).toMatchObject({ number: 'MVAN-B-2026-000001', site: 'mvan' });
});

test('a payment that is sent again, to either site, is the same payment with the same receipt', async () => {
  const body = cash(pupils[1]);
  const first = await lab.campus.call(token, 'POST', '/api/payments', body);
  expect(first.status).toBe(200);
  expect((await lab.campus.call(token, 'POST', '/api/payments', body)).body).toEqual(first.body);
  expect((await lab.cloud.call(token, 'POST', '/api/payments', body)).body).toEqual(first.body);
});

test('one id with another content is refused', async () => {
  const body = cash(pupils[1]);
  await lab.cloud.call(token, 'POST', '/api/payments', body);
  for (const other of [
    { amount: 1 },
    { pupilId: pupils[2] },
    { paidAt: '2026-02-10T08:00:01Z' },
    { note: 'x' },
  ]) {
    const answer = await lab.cloud.call(token, 'POST', '/api/payments', { ...body, ...other });
    expect(answer).toMatchObject({
      status: 409,
      body: { code: 'PAYMENT_DIFFERS', advice: expect.any(String) },
    });
  }
});

test('receipt numbers have no gap and no twin when many pay at once, some of them twice and some in vain', async () => {
  const bodies = Array.from({ length: 20 }, () => cash(pupils[2]));
  const refused = cash(newId());
  const sent = [...bodies, ...bodies, refused, { ...bodies[0], amount: 1 }];
  await Promise.all(sent.map((body) => lab.campus.call(token, 'POST', '/api/payments', body)));
  const { rows } = await lab.database.query(
    "select serial from receipt where series = 'MVAN-B-2026' order by serial",
  );
  expect(rows.map(({ serial }) => serial)).toEqual(rows.map((_, index) => index + 1));
  const mine = await lab.database.query('select count(*) from receipt where payment_id = any($1)', [
    bodies.map(({ id }) => id),
  ]);
  expect(mine.rows[0].count).toBe(20);
});

test("an operator's transaction number pays once", async () => {
  const proof = { method: 'mtn', operatorTransaction: 'MP260210.0815.A1' };
  const first = await lab.cloud.call(token, 'POST', '/api/payments', { ...cash(pupils[3]), ...proof });
  expect(first.status).toBe(200);
  const second = await lab.cloud.call(token, 'POST', '/api/payments', { ...cash(pupils[4]), ...proof });
  expect(second).toMatchObject({ status: 409, body: { code: 'OPERATOR_TRANSACTION_USED' } });
  const orange = await lab.cloud.call(token, 'POST', '/api/payments', {
    ...cash(pupils[4]),
    ...proof,
    method: 'orange',
  });
  expect(orange.status).toBe(200);
});

test('cash has no operator number, mobile money must have one', async () => {
  for (const wrong of [
    { method: 'mtn' },
    { operatorTransaction: 'MP260210.0815' },
    { amount: 0 },
    { amount: 12.5 },
  ]) {
    const answer = await lab.cloud.call(token, 'POST', '/api/payments', { ...cash(pupils[3]), ...wrong });
    expect(answer).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
  }
});

test('the balance is what is owed less what was paid, and a reversal gives it back', async () => {
  const account = async () => (await lab.cloud.call(token, 'GET', `/api/pupils/${pupils[5]}/payments`)).body;
  const { due } = await account();
  expect(due).toBeGreaterThanOrEqual(7_500 + 2_500);
  const payment = cash(pupils[5], 4_000);
  await lab.cloud.call(token, 'POST', '/api/payments', payment);
  expect(await account()).toMatchObject({ due, paid: 4_000, balance: due - 4_000 });
  const reversal = { id: newId(), reason: 'erreur de saisie', reversedAt: '2026-02-10T08:30:00Z' };
  const url = `/api/payments/${payment.id}/reversal`;
  const first = await lab.campus.call(token, 'POST', url, reversal);
  expect(first).toMatchObject({
    status: 200,
    body: { payment: { kind: 'reversal', reverses: payment.id, amount: 4_000 } },
  });
  expect((await lab.campus.call(token, 'POST', url, reversal)).body).toEqual(first.body);
  expect(await account()).toMatchObject({ paid: 0, balance: due });
  expect((await account()).payments).toHaveLength(2);
});

test('a payment is reversed once, and a reversal never', async () => {
  const payment = cash(pupils[6]);
  await lab.cloud.call(token, 'POST', '/api/payments', payment);
  const reversal = () => ({ id: newId(), reason: 'doublon', reversedAt: '2026-02-10T08:30:00Z' });
  const first = await lab.cloud.call(token, 'POST', `/api/payments/${payment.id}/reversal`, reversal());
  const second = await lab.cloud.call(token, 'POST', `/api/payments/${payment.id}/reversal`, reversal());
  expect(second).toMatchObject({ status: 409, body: { code: 'ALREADY_REVERSED' } });
  const third = await lab.cloud.call(
    token,
    'POST',
    `/api/payments/${first.body.payment.id}/reversal`,
    reversal(),
  );
  expect(third).toMatchObject({ status: 409, body: { code: 'NOT_REVERSIBLE' } });
});

test("another campus's pupils take no payment here, and its payments are not seen", async () => {
  const stranger = await lab.cloud.login('intendant.bonaberi');
  const payment = cash(pupils[7]);
  expect(await lab.cloud.call(stranger, 'POST', '/api/payments', payment)).toMatchObject({ status: 404 });
  await lab.cloud.call(token, 'POST', '/api/payments', payment);
  const reversal = { id: newId(), reason: 'fraude', reversedAt: '2026-02-10T08:30:00Z' };
  const url = `/api/payments/${payment.id}/reversal`;
  expect(await lab.cloud.call(stranger, 'POST', url, reversal)).toMatchObject({ status: 404 });
  expect(await lab.cloud.call(stranger, 'GET', `/api/pupils/${pupils[7]}/payments`)).toMatchObject({
    status: 404,
  });
});
