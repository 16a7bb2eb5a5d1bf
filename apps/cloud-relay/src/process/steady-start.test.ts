import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { steadyCommand } from './steady-start.ts';

const argv = ['/usr/bin/node', '/opt/skooly-relay.ts', 'serve'];

test('the relay begins anew with little room for garbage, and what it was given stays', () => {
  const command = steadyCommand({ env: { LANG: 'fr', GONE: undefined }, execArgv: [], argv });
  expect(command).toEqual({
    file: '/usr/bin/node',
    args: [
      '/usr/bin/node',
      '--max-semi-space-size=16',
      '--max-old-space-size=2000',
      '/opt/skooly-relay.ts',
      'serve',
    ],
    env: { LANG: 'fr' },
  });
});

test('it stays as it is when it was given options of Node', () => {
  expect(steadyCommand({ env: {}, execArgv: ['--inspect'], argv })).toBeNull();
});

test('it fails as it would have without, and says why', async () => {
  const bin = join(import.meta.dirname, '../../bin/skooly-relay.ts');
  const started = promisify(execFile)(process.execPath, [bin, 'serve'], { env: {} });
  await expect(started).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('RELAY_DATABASE_URL is not set'),
  });
});
