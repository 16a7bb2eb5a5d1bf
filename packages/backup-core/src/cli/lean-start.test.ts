import { expect, it } from 'vitest';
import { leanCommand } from './lean-start.ts';

const start = {
  env: { HOME: '/root', UNSET: undefined },
  execArgv: [],
  argv: ['/bin/node', 'skooly-backup.ts', 'run'],
};

it('a process begins anew with less room for what is young, and otherwise as it was started', () => {
  expect(leanCommand(start)).toMatchObject({
    file: '/bin/node',
    args: ['/bin/node', '--max-semi-space-size=4', 'skooly-backup.ts', 'run'],
    env: { HOME: '/root', MALLOC_ARENA_MAX: '2' },
  });
});

it('what was set by hand stays, and options of Node mean that somebody has chosen', () => {
  expect(leanCommand({ ...start, env: { MALLOC_ARENA_MAX: '8' } })?.env).toMatchObject({
    MALLOC_ARENA_MAX: '8',
  });
  expect(leanCommand({ ...start, execArgv: ['--inspect'] })).toBeNull();
});
