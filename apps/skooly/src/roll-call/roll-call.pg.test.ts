import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LabSites, openLabSites, testDay } from '../testing/lab-sites.ts';

let lab: LabSites;
let token: string;
let classId: string;
let pupils: string[];
beforeAll(async () => {
  lab = await openLabSites();
  token = await lab.cloud.login('prof01.mvan');
  const classes = await lab.cloud.call(token, 'GET', `/api/classes?date=${testDay}`);
  classId = classes.body[0].id;
  const list = await lab.cloud.call(token, 'GET', `/api/classes/${classId}/pupils`);
  pupils = list.body.map(({ id }: { id: string }) => id);
});
afterAll(() => lab[Symbol.asyncDispose]());

const path = (period: number) => `/api/classes/${classId}/roll-calls/${testDay}/${period}`;
const at = (minute: string) => `2026-02-10T08:${minute}:00.000Z`;
const rowVersions = async () =>
  (
    await lab.database.query(
      'select xmin::text, id from roll_call union all select xmin::text, id from attendance',
    )
  ).rows;

test('the class list shows which rolls were called on the day', async () => {
  const before = await lab.cloud.call(token, 'GET', path(1));
  expect(before.body).toMatchObject({ takenAt: null, takenBy: null, exceptions: [] });
  await lab.cloud.call(token, 'PUT', path(1), { takenAt: at('05'), exceptions: [] });
  const classes = await lab.cloud.call(token, 'GET', `/api/classes?date=${testDay}`);
  expect(classes.body[0]).toMatchObject({ called: [1], pupils: 12 });
  expect(classes.body).toHaveLength(4);
});

test('the same roll call sent to both sites writes the same rows once', async () => {
  const body = { takenAt: at('10'), exceptions: [{ pupilId: pupils[0], status: 'absent' }] };
  const first = await lab.campus.call(token, 'PUT', path(2), body);
  const written = await rowVersions();
  const second = await lab.cloud.call(token, 'PUT', path(2), body);
  expect(first.status).toBe(200);
  expect(second.body).toEqual(first.body);
  expect(await rowVersions()).toEqual(written);
});

test('a correction changes the pupils it names, takes an exception back, and leaves the others', async () => {
  const exceptions = pupils.slice(0, 3).map((pupilId) => ({ pupilId, status: 'absent' }));
  await lab.cloud.call(token, 'PUT', path(3), { takenAt: at('15'), exceptions });
  const supervisor = await lab.cloud.login('surveillant.mvan');
  const corrected = await lab.cloud.call(supervisor, 'PUT', path(3), {
    takenAt: at('20'),
    exceptions: [
      { pupilId: pupils[0], status: 'present' },
      { pupilId: pupils[1], status: 'excused' },
    ],
  });
  const status = new Map(corrected.body.exceptions.map((one: { pupilId: string }) => [one.pupilId, one]));
  expect(corrected.body).toMatchObject({ takenBy: 'surveillant.mvan', takenAt: at('20') });
  expect(status.size).toBe(2);
  expect(status.get(pupils[1])).toMatchObject({ status: 'excused', notedBy: 'surveillant.mvan' });
  expect(status.get(pupils[2])).toMatchObject({ status: 'absent', notedBy: 'prof01.mvan' });
});

test('a pupil of another class is refused, and nothing of that roll call is written', async () => {
  const other = await lab.database.query(
    "select id from pupil where campus_id = 'mvan' and class_id <> $1 limit 1",
    [classId],
  );
  const exceptions = [{ pupilId: other.rows[0].id, status: 'late' }];
  const answer = await lab.cloud.call(token, 'PUT', path(4), { takenAt: at('30'), exceptions });
  expect(answer).toMatchObject({ status: 409, body: { code: 'PUPIL_NOT_IN_CLASS' } });
  expect((await lab.cloud.call(token, 'GET', path(4))).body.takenAt).toBeNull();
});

test('the classes of another campus are not there', async () => {
  const stranger = await lab.cloud.login('directeur.bonaberi');
  const got = await lab.cloud.call(stranger, 'GET', path(1));
  const put = await lab.cloud.call(stranger, 'PUT', path(1), { takenAt: at('40'), exceptions: [] });
  expect(got).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  expect(put).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
});

test('a clock that is far off is named', async () => {
  const answer = await lab.cloud.call(token, 'PUT', path(5), {
    takenAt: '2031-01-01T00:00:00Z',
    exceptions: [],
  });
  expect(answer).toMatchObject({
    status: 400,
    body: { code: 'TIME_IMPLAUSIBLE', advice: expect.any(String) },
  });
});

test('a malformed request is refused with the field that is wrong', async () => {
  const wrong: [string, object][] = [
    [path(5), { takenAt: at('40') }],
    [path(5), { takenAt: at('40'), exceptions: [{ pupilId: 'x', status: 'late' }] }],
    [path(5), { takenAt: at('40'), exceptions: [], teacher: 'me' }],
    [path(11), { takenAt: at('40'), exceptions: [] }],
  ];
  for (const [url, body] of wrong) {
    expect(await lab.cloud.call(token, 'PUT', url, body)).toMatchObject({
      status: 400,
      body: { code: 'REQUEST_INVALID', message: expect.stringContaining('(') },
    });
  }
});
