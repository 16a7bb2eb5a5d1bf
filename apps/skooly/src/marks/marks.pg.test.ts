import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LabSites, openLabSites, testDay } from '../testing/lab-sites.ts';

let lab: LabSites;
let token: string;
let pupils: string[];
let url: string;
beforeAll(async () => {
  lab = await openLabSites();
  token = await lab.cloud.login('prof02.mvan');
  const classes = await lab.cloud.call(token, 'GET', `/api/classes?date=${testDay}`);
  const classId = classes.body[0].id;
  const list = await lab.cloud.call(token, 'GET', `/api/classes/${classId}/pupils`);
  pupils = list.body.map(({ id }: { id: string }) => id);
  const assessments = await lab.cloud.call(token, 'GET', `/api/classes/${classId}/assessments`);
  const unmarked = assessments.body.find(({ marked }: { marked: number }) => marked === 0);
  url = `/api/assessments/${unmarked.id}/marks`;
});
afterAll(() => lab[Symbol.asyncDispose]());

test('marks entered twice, at both sites, are the same rows, written once', async () => {
  const marks = pupils.map((pupilId, index) => ({ pupilId, value: 8 + index / 4 }));
  const first = await lab.campus.call(token, 'PUT', url, { marks });
  const written = (await lab.database.query('select xmin::text, id from mark order by id')).rows;
  const second = await lab.cloud.call(token, 'PUT', url, { marks });
  expect(first).toMatchObject({ status: 200 });
  expect(first.body.marks).toHaveLength(pupils.length);
  expect(second.body).toEqual(first.body);
  expect((await lab.database.query('select xmin::text, id from mark order by id')).rows).toEqual(written);
});

test('pupils who are not named keep their marks, and who changed one is told', async () => {
  const director = await lab.cloud.login('directeur.mvan');
  const marks = [{ pupilId: pupils[0], value: 19.75 }];
  const answer = await lab.cloud.call(director, 'PUT', url, { marks });
  const byPupil = new Map(answer.body.marks.map((mark: { pupilId: string }) => [mark.pupilId, mark]));
  expect(byPupil.get(pupils[0])).toMatchObject({ value: 19.75, enteredBy: 'directeur.mvan' });
  expect(byPupil.get(pupils[1])).toMatchObject({ value: 8.25, enteredBy: 'prof02.mvan' });
});

test('a mark outside 0 to 20, or finer than a hundredth, is refused', async () => {
  for (const value of [-1, 20.25, 10.123, '12']) {
    const answer = await lab.cloud.call(token, 'PUT', url, { marks: [{ pupilId: pupils[0], value }] });
    expect(answer).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
  }
});

test('the bursar enters no marks', async () => {
  const bursar = await lab.cloud.login('intendant.mvan');
  const answer = await lab.cloud.call(bursar, 'PUT', url, { marks: [{ pupilId: pupils[0], value: 1 }] });
  expect(answer).toMatchObject({ status: 403, body: { code: 'ROLE_NOT_ALLOWED' } });
});
