import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lockFolder, lockHolder } from './folder-lock.ts';
import { identify } from './identity.ts';

const dir = mkdtempSync(join(tmpdir(), 'skooly-lab-test-'));
const file = join(dir, 'lab.lock');

afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('a folder has one lab at a time', () => {
  const release = lockFolder(file);
  expect(() => lockFolder(file)).toThrow(/A lab is up in .* already/);
  expect(lockHolder(file)?.pid).toBe(process.pid);
  release();
  expect(lockHolder(file)).toBeNull();
  lockFolder(file)();
});

test('a lab that was killed holds nothing, even when its pid is in use again', () => {
  writeFileSync(file, JSON.stringify({ ...identify(process.pid), started: '1' }));
  lockFolder(file)();
  writeFileSync(file, 'half a li');
  lockFolder(file)();
});
