import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { leanCommand } from './lean-start.ts';

const argv = ['/usr/bin/node', '/opt/skooly-edge.ts', 'serve'];

test('the daemon begins anew with settings that keep it small, and what it was given stays', () => {
  const command = leanCommand({ env: { LANG: 'fr', MALLOC_ARENA_MAX: '4' }, execArgv: [], argv });
  expect(command?.file).toBe('/usr/bin/node');
  const options = ['--max-semi-space-size=16', '--max-old-space-size=2000', '--expose-gc'];
  expect(command?.args).toEqual([argv[0], ...options, ...argv.slice(1)]);
  expect(command?.env).toMatchObject({ LANG: 'fr', MALLOC_ARENA_MAX: '4', MALLOC_TRIM_THRESHOLD_: '262144' });
});

test('it stays as it is when it was given options of Node', () => {
  expect(leanCommand({ env: {}, execArgv: ['--inspect'], argv })).toBeNull();
});

test('it fails as it would have without, in the same process, and what it compiled is kept', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'skooly-lean-'));
  try {
    const bin = join(import.meta.dirname, '../../bin/skooly-edge.ts');
    const { NODE_COMPILE_CACHE: _, ...env } = process.env;
    const started = promisify(execFile)(process.execPath, [bin, 'serve'], {
      env: { ...env, EDGE_STATE_DIR: stateDir },
    });
    await expect(started).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('EDGE_CAMPUS is not set'),
    });
    expect(readdirSync(stateDir)).toEqual(['compiled']);
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
});
