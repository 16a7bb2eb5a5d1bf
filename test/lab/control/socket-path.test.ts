import { expect, test } from 'vitest';
import { socketPath } from './socket-path.ts';

test('the socket is in the state folder', () => {
  expect(socketPath('/srv/lab')).toBe('/srv/lab/control.sock');
});

test('a path that is too long for a socket gets a short one of its own', () => {
  const long = `/srv/${'deep/'.repeat(30)}`;
  expect(socketPath(`${long}a`).length).toBeLessThan(108);
  expect(socketPath(`${long}a`)).not.toBe(socketPath(`${long}b`));
});
