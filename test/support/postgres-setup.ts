/**
 * One throwaway Postgres for the whole `postgres` project of the test run: in a temporary folder, with fsync off, ended
 * and removed afterwards, also when the run itself is killed.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../lab/postgres/postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
  }
}

/** Waits for the end of its input, which is the end of the test run, then ends the server and removes its folder. */
const GUARD =
  'cat >/dev/null; kill -INT "$0"; while kill -0 "$0" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-edge-postgres-'));
  chmodSync(dir, 0o755);
  const fast = { fsync: false, synchronous_commit: false, full_page_writes: false };
  const postgres = await startPostgres({ dir, settings: fast });
  const guard = spawn('/bin/sh', ['-c', GUARD, String(postgres.pid), dir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  project.provide('postgresUrl', postgres.url);
  return async () => {
    guard.kill('SIGKILL');
    await postgres.stop();
    rmSync(dir, { recursive: true, force: true });
  };
}
