import { defineConfig } from 'vitest/config';

const workspaceTests = ['apps/*/src', 'packages/*/src', 'setup', 'test'];

/** What is awaited comes at once on a quick machine; a slow one may take its time. */
const pollLimitMs = 20_000;

/** Three kinds of tests, one after the other: what needs the machine's speed comes last and has it for itself. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: workspaceTests.map((dir) => `${dir}/**/*.test.ts`),
          exclude: ['**/*.pg.test.ts', '**/*.scenario.test.ts', '**/node_modules/**'],
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'postgres',
          include: workspaceTests.map((dir) => `${dir}/**/*.pg.test.ts`),
          globalSetup: ['test/support/postgres-setup.ts'],
          // They wait more than they compute.
          maxWorkers: 3,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: pollLimitMs } },
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'scenarios',
          include: ['test/**/*.scenario.test.ts'],
          testTimeout: 300_000,
          expect: { poll: { timeout: pollLimitMs } },
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
