import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compiledCommand, leanCommand } from './lean-start.ts';

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

it('the daemon begins once more when it has compiled something, and only once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'compiled-'));
  try {
    const startedAtMs = Date.now() - 1_000;
    const running = { ...start, execArgv: ['--expose-gc'] };
    expect(compiledCommand(running, folder, startedAtMs)).toBeNull();
    writeFileSync(join(folder, 'code'), '');
    const again = compiledCommand(running, folder, startedAtMs);
    expect(again?.args).toEqual(['/bin/node', '--expose-gc', 'skooly-backup.ts', 'run']);
    expect(compiledCommand({ ...running, env: again?.env ?? {} }, folder, startedAtMs)).toBeNull();
    expect(compiledCommand(running, folder, Date.now() + 60_000)).toBeNull();
    const status = ['/bin/node', 'skooly-backup.ts', 'status'];
    expect(compiledCommand({ ...running, argv: status }, folder, startedAtMs)).toBeNull();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
