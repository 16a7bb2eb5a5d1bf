import { Value } from 'typebox/value';
import { expect, test } from 'vitest';
import { buildAdmin } from './admin.ts';
import { exampleStatus } from './status.fixture.ts';
import { StatusSchema } from './status.ts';

test('the status arrives as it was read, whole', async () => {
  expect(Value.Check(StatusSchema, exampleStatus)).toBe(true);
  const admin = buildAdmin({ readStatus: async () => exampleStatus });
  const answer = await admin.inject('/status');
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['cache-control']).toBe('no-store');
  expect(answer.json()).toEqual(exampleStatus);
});

test('what is not there yet is null, not missing', async () => {
  const { sync, link, gateway } = exampleStatus;
  const empty = {
    ...exampleStatus,
    sync: { ...sync, oldestPendingSeconds: null, lastPushAt: null, lastPullAt: null, seeding: null },
    link: { ...link, p95Ms: null, clockOffsetMs: null, probes: [] },
    gateway: { ...gateway, lastFailback: null },
  };
  const answer = await buildAdmin({ readStatus: async () => empty }).inject('/status');
  expect(answer.json()).toEqual(empty);
});

test('it is healthy while it answers, and a status that cannot be read is one sentence, without a stack', async () => {
  const admin = buildAdmin({ readStatus: () => Promise.reject(new Error('connect ECONNREFUSED secret')) });
  expect((await admin.inject('/healthz')).json()).toEqual({ status: 'ok' });
  const answer = await admin.inject('/status');
  expect(answer.statusCode).toBe(503);
  expect(answer.json()).toMatchObject({ code: 'STATUS_UNREADABLE', advice: expect.any(String) });
  expect(answer.body).not.toContain('secret');
});

test('another address is refused with a code', async () => {
  const answer = await buildAdmin({ readStatus: async () => exampleStatus }).inject('/nothing');
  expect(answer.statusCode).toBe(404);
  expect(answer.json()).toMatchObject({ code: 'NOT_FOUND' });
});
