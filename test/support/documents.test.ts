import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, root), 'utf8');

/** Every source file of the repository, from its root. */
const files = ['apps', 'packages', 'test', 'setup'].flatMap((top) =>
  readdirSync(new URL(top, root), { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.includes('node_modules'))
    .map((name) => `${top}/${name}`),
);

/** Names in backquotes that look like a file or a folder of ours, also with a star. */
function namedPaths(document: string): string[] {
  const names = [...document.matchAll(/`([^`\s]+)`/g)].map(([, name = '']) => name);
  return [
    ...new Set(
      names.filter((name) => /^[\w*.-]+(\/[\w*.-]+)*\.(ts|mjs)$|^(apps|packages|test|setup)\//.test(name)),
    ),
  ];
}

function isThere(name: string): boolean {
  if (existsSync(new URL(name, root))) return true;
  const pattern = name.replace(/\/$/, '').replaceAll('.', '\\.').replaceAll('*', '[^/]+');
  return files.some((file) => new RegExp(`(^|/)${pattern}$`).test(file));
}

describe('the documents', () => {
  it.each([
    'ARCHITECTURE.md',
    'README.md',
    'packages/sync-protocol/PROTOCOL.md',
    'packages/backup-core/FORMAT.md',
  ])('%s names files that are there', (document) => {
    expect(namedPaths(read(document)).filter((name) => !isThere(name))).toEqual([]);
  });

  it('ARCHITECTURE.md is read: it names dozens of them', () => {
    expect(namedPaths(read('ARCHITECTURE.md')).length).toBeGreaterThan(40);
  });
});
