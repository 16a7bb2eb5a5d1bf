import { afterAll, beforeAll, expect, test } from 'vitest';
import { clientId } from '../ids.ts';
import { seededRandom } from '../seed/random.ts';
import { type LabSites, openLabSites, testNow } from '../testing/lab-sites.ts';

let lab: LabSites;
let token: string;
let pupil: { id: string; class_id: string };
const random = seededRandom(7);
beforeAll(async () => {
  lab = await openLabSites();
  token = await lab.cloud.login('surveillant.mvan');
  pupil = (await lab.database.query("select id, class_id from pupil where campus_id = 'mvan' limit 1"))
    .rows[0];
});
afterAll(() => lab[Symbol.asyncDispose]());

const newPupil = () => ({
  id: clientId(testNow, random.next),
  classId: pupil.class_id,
  matricule: 'MVA26-9001',
  familyName: 'NGONO',
  givenNames: 'Aïcha',
  sex: 'F',
  bornOn: '2013-05-02',
  guardianName: 'Marie NGONO',
  guardianPhone: '237677001122',
});

test('an edit changes the fields that it names and says who did it', async () => {
  const answer = await lab.campus.call(token, 'PATCH', `/api/pupils/${pupil.id}`, {
    guardianPhone: '237699112233',
  });
  expect(answer).toMatchObject({
    status: 200,
    body: {
      guardianPhone: '237699112233',
      updatedBy: 'surveillant.mvan',
      bornOn: expect.stringMatching(/^\d{4}-/),
    },
  });
});

test('an edit that changes nothing writes nothing, whoever sends it', async () => {
  const version = async () =>
    (await lab.database.query('select xmin::text from pupil where id = $1', [pupil.id])).rows;
  const before = await version();
  const director = await lab.cloud.login('directeur.mvan');
  const answer = await lab.cloud.call(director, 'PATCH', `/api/pupils/${pupil.id}`, {
    guardianPhone: '237699112233',
  });
  expect(answer.body.updatedBy).toBe('surveillant.mvan');
  expect(await version()).toEqual(before);
});

test('a pupil who is enrolled twice with one id is enrolled once', async () => {
  const body = newPupil();
  const first = await lab.campus.call(token, 'POST', '/api/pupils', body);
  const again = await lab.cloud.call(token, 'POST', '/api/pupils', body);
  expect(first).toMatchObject({ status: 200, body });
  expect(again.body).toEqual(first.body);
  const other = await lab.cloud.call(token, 'POST', '/api/pupils', { ...body, familyName: 'NGU' });
  expect(other).toMatchObject({ status: 409, body: { code: 'PUPIL_DIFFERS' } });
});

test('a matricule that is taken is named', async () => {
  const answer = await lab.cloud.call(token, 'POST', '/api/pupils', newPupil());
  expect(answer).toMatchObject({ status: 409, body: { code: 'MATRICULE_TAKEN' } });
});

test('a pupil of another campus can be neither seen nor edited, and no pupil moves to its classes', async () => {
  const stranger = await lab.cloud.login('directeur.bonaberi');
  const url = `/api/pupils/${pupil.id}`;
  expect(await lab.cloud.call(stranger, 'GET', url)).toMatchObject({ status: 404 });
  expect(await lab.cloud.call(stranger, 'PATCH', url, { familyName: 'X' })).toMatchObject({ status: 404 });
  const { rows } = await lab.database.query("select id from class where campus_id = 'bonaberi' limit 1");
  expect(await lab.cloud.call(token, 'PATCH', url, { classId: rows[0].id })).toMatchObject({ status: 404 });
});

test('a text that Postgres cannot hold is a bad request, not a fault', async () => {
  const answer = await lab.cloud.call(token, 'PATCH', `/api/pupils/${pupil.id}`, { familyName: 'A\u0000B' });
  expect(answer).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
});
