import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, test } from 'vitest';

const withNode = join(import.meta.dirname, 'with-node.mjs');

describe('a script run by the set-up', () => {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-setup-test-'));
  const script = join(dir, 'script.ts');
  writeFileSync(
    script,
    `const [wait = '0', code = '0']: string[] = process.argv.slice(2);
     process.on('SIGINT', () => console.log('interrupted'));
     console.log(process.versions.node.split('.')[0], process.argv.slice(2).join(' '));
     setTimeout(() => process.exit(Number(code)), Number(wait));`,
  );

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  function run(...args: string[]) {
    return spawn(process.execPath, [withNode, script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  test('gets its arguments and a new Node, and ends the set-up with its exit code', async () => {
    const child = run('0', '7');
    const [said, complained, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    expect(Number.parseInt(said, 10)).toBeGreaterThanOrEqual(24);
    expect(said).toContain(' 0 7');
    expect(complained).toBe('');
    expect(code).toBe(7);
  });

  test('hears of one Ctrl-C once, though npm sends it a second time', async () => {
    const child = run('600');
    const said = text(child.stdout);
    await once(child.stdout, 'readable');
    child.kill('SIGINT');
    child.kill('SIGINT');
    await once(child, 'exit');
    expect((await said).match(/interrupted/g)).toHaveLength(1);
  });

  test('that a signal ends makes the set-up end with the shell’s code for it', async () => {
    const child = run('60000');
    await once(child.stdout, 'readable');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([143, null]);
  });
});
