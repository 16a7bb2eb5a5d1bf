import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LabSites, openLabSites, testNow } from '../testing/lab-sites.ts';
import { signSession } from './token.ts';

let lab: LabSites;
beforeAll(async () => {
  lab = await openLabSites();
});
afterAll(() => lab[Symbol.asyncDispose]());

test('a session made on one side works on the other', async () => {
  const fromCloud = await lab.cloud.login('directeur.mvan');
  const fromCampus = await lab.campus.login('directeur.mvan');
  for (const token of [fromCloud, fromCampus]) {
    for (const site of [lab.cloud, lab.campus]) {
      const me = await site.call(token, 'GET', '/api/me');
      expect(me).toMatchObject({
        status: 200,
        body: { login: 'directeur.mvan', campusId: 'mvan', role: 'director' },
      });
    }
  }
});

test('the session is also a cookie that scripts cannot read', async () => {
  const payload = { login: 'prof01.mvan', password: 'craie-bleue' };
  const answer = await lab.cloud.server.inject({ method: 'POST', url: '/api/login', payload });
  const cookie = String(answer.headers['set-cookie']);
  expect(cookie).toMatch(/^skooly_session=[^;]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=43200$/);
  const headers = { cookie: cookie.split(';')[0] };
  const me = await lab.campus.server.inject({ method: 'GET', url: '/api/me', headers });
  expect(me.json().login).toBe('prof01.mvan');
});

test('a wrong password and an unknown person get the same answer, in the language that was asked for', async () => {
  for (const login of ['directeur.mvan', 'personne.mvan']) {
    const answer = await lab.cloud.server.inject({
      method: 'POST',
      url: '/api/login',
      headers: { 'accept-language': 'fr-CM' },
      payload: { login, password: 'wrong' },
    });
    expect(answer.statusCode).toBe(401);
    expect(answer.json()).toMatchObject({
      code: 'LOGIN_FAILED',
      message: 'Identifiant ou mot de passe incorrect.',
      advice: expect.any(String),
    });
  }
});

test('a box does not let in the people of another campus, nor their sessions', async () => {
  expect(await lab.campus.login('directeur.bonaberi')).toBeUndefined();
  const token = await lab.cloud.login('directeur.bonaberi');
  expect(await lab.cloud.call(token, 'GET', '/api/me')).toMatchObject({ status: 200 });
  expect(await lab.campus.call(token, 'GET', '/api/me')).toMatchObject({
    status: 401,
    body: { code: 'SESSION_INVALID' },
  });
});

test("a campus's key is good for that campus's users only", async () => {
  const { rows } = await lab.database.query("select id from staff where login = 'directeur.bonaberi'");
  const forged = {
    staff: rows[0].id,
    campus: 'bonaberi',
    role: 'director',
    site: 'mvan',
    exp: testNow / 1_000 + 60,
  };
  const answer = await lab.cloud.call(signSession(forged, lab.campus.keys), 'GET', '/api/me');
  expect(answer).toMatchObject({ status: 401, body: { code: 'SESSION_INVALID' } });
});

test('whoever stopped working at the school is refused at the next request', async () => {
  const token = await lab.cloud.login('prof03.mvan');
  await lab.database.query("update staff set active = false where login = 'prof03.mvan'");
  expect(await lab.cloud.call(token, 'GET', '/api/me')).toMatchObject({
    status: 401,
    body: { code: 'SESSION_INVALID' },
  });
});

test('every answer names its site, refusals too', async () => {
  const answer = await lab.campus.server.inject({ method: 'GET', url: '/api/me' });
  expect(answer.statusCode).toBe(401);
  expect(answer.headers['skooly-site']).toBe('mvan');
  expect(answer.json().code).toBe('SESSION_MISSING');
  const health = await lab.cloud.server.inject({ method: 'GET', url: '/healthz' });
  expect(health.json()).toEqual({ status: 'ok', site: 'cloud' });
});
