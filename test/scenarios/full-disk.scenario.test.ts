import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestLab, type TestLab } from '../support/lab.ts';
import { expectEqual, query, untilState } from './steps.ts';

/** No disk has so much room: the box counts as full from its first look on. */
const petabyte = String(1024 ** 5);
const everythingIsTooLittle = {
  EDGE_DISK_WARN_BYTES: petabyte,
  EDGE_DISK_TRIM_BYTES: petabyte,
  EDGE_DISK_REFUSE_BYTES: petabyte,
};

let world: TestLab;
let gateway: string;

beforeAll(async () => {
  world = await startTestLab({ env: { appliance: everythingIsTooLittle } });
  await untilState(world.lab, 'ONLINE');
  gateway = world.lab.addresses().campus.gateway as string;
});
afterAll(() => world?.close());

const login = () =>
  fetch(`${gateway}/api/login`, {
    method: 'POST',
    headers: { accept: 'text/html', 'accept-language': 'en', 'content-type': 'application/json' },
    body: '{}',
  });

test('a box without room refuses writes with a page and answers reads through a cut, and afterwards the cloud serves', async () => {
  const { lab } = world;
  expect((await login()).headers.get('x-skooly-edge-site')).toBe('cloud');

  await lab.cable.cut();
  await untilState(lab, 'LOCAL');
  const refused = await login();
  expect([refused.status, refused.headers.get('x-skooly-edge-site')]).toEqual([507, 'box']);
  expect(await refused.text()).toContain('nothing that was recorded is lost');
  const page = await fetch(`${gateway}/`);
  expect([page.status, page.headers.get('x-skooly-edge-site')]).toEqual([200, 'box']);
  await query(lab, 'campus', `update pupil set guardian_phone = '237600000000' where campus_id = 'mvan'`);

  await lab.cable.heal();
  await untilState(lab, 'ONLINE');
  expect((await login()).headers.get('x-skooly-edge-site')).toBe('cloud');
  await expectEqual(lab);
});
