import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript, since it runs on any Node
import { dependencyNeeds } from './dependencies.mjs';

describe('the npm dependencies', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'skooly-setup-test-'));
    lock({
      'node_modules/pg': { version: '8.0.0' },
      'node_modules/other-os': { version: '1.0.0', optional: true },
    });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function lock(packages: object): void {
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...packages } }));
  }

  function installed(packages: object): void {
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages }));
  }

  test('are needed in a fresh clone', () => {
    expect(dependencyNeeds(root)).toHaveLength(1);
  });

  test('that a person installed are left as they are, and remembered', () => {
    installed({ 'node_modules/pg': { version: '8.0.0' } });
    expect(dependencyNeeds(root)).toEqual([]);
    expect(existsSync(join(root, 'node_modules', '.setup-stamp'))).toBe(true);
  });

  test('are needed when a version differs or one is missing', () => {
    installed({ 'node_modules/pg': { version: '7.9.9' } });
    expect(dependencyNeeds(root)).toHaveLength(1);
    installed({});
    expect(dependencyNeeds(root)).toHaveLength(1);
  });

  test('are needed again when the lock file changes', () => {
    installed({ 'node_modules/pg': { version: '8.0.0' } });
    dependencyNeeds(root);
    lock({ 'node_modules/pg': { version: '8.1.0' } });
    expect(dependencyNeeds(root)).toHaveLength(1);
  });
});
