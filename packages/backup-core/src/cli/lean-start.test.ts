import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { beginAgainCompiled, leanCommand } from './lean-start.ts';

const start = {
  env: { HOME: '/root', UNSET: undefined },
  execArgv: [],
  argv: ['/bin/node', 'skooly-backup.ts', 'run'],
};

it('a process begins anew with less room for what is young, and otherwise as it was started', () => {
  expect(leanCommand(start)).toMatchObject({
    file: '/bin/node',
    args: ['/bin/node', '--max-semi-space-size=4', '--expose-gc', 'skooly-backup.ts', 'run'],
    env: { HOME: '/root', MALLOC_ARENA_MAX: '2' },
  });
});

it('what was set by hand stays, and options of Node mean that somebody has chosen', () => {
  expect(leanCommand({ ...start, env: { MALLOC_ARENA_MAX: '8' } })?.env).toMatchObject({
    MALLOC_ARENA_MAX: '8',
  });
  expect(leanCommand({ ...start, execArgv: ['--inspect'] })).toBeNull();
});

it('what was compiled is kept in the state folder, unless others may write there', () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'lean-start-'));
  try {
    const config = join(stateDir, 'backup.json');
    writeFileSync(config, JSON.stringify({ stateDir }));
    const argv = [...start.argv, '--config', config];
    expect(leanCommand({ ...start, argv })?.env).toMatchObject({
      NODE_COMPILE_CACHE: join(stateDir, 'compiled'),
    });
    chmodSync(stateDir, 0o777);
    expect(leanCommand({ ...start, argv })?.env).not.toHaveProperty('NODE_COMPILE_CACHE');
  } finally {
    rmSync(stateDir, { recursive: true });
  }
});

it('only the daemon looks whether it is to begin once more, and only once', async () => {
  const loadRest = vi.fn(async () => undefined);
  await beginAgainCompiled({ ...start, argv: ['/bin/node', 'skooly-backup.ts', 'status'] }, loadRest);
  await beginAgainCompiled({ ...start, env: { SKOOLY_BACKUP_COMPILED: '1' } }, loadRest);
  expect(loadRest).not.toHaveBeenCalled();
});
