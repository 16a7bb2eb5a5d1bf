import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openWorld } from './open-world.ts';
import type { World } from './world.ts';

describe('the folder of a lab', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'skooly-lab-test-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('remembers its ports, its keys and what it was made with', async () => {
    const first = await openWorld({ dir, seed: 'school', seedNumber: 7 });
    first.release();
    const second = await openWorld({ dir });
    second.release();
    expect(second.world.ports).toEqual(first.world.ports);
    expect(second.world.keys).toEqual(first.world.keys);
    expect(second.world).toMatchObject({ seed: 'school', seedNumber: 7, campus: 'mvan', database: 'skooly' });
  });

  test('is refused for another world than the one it holds', async () => {
    (await openWorld({ dir, seed: 'small' })).release();
    await expect(openWorld({ dir, seed: 'school' })).rejects.toThrow(/made with another seed \(small\)/);
    await expect(openWorld({ dir, database: '/srv/other' })).rejects.toThrow(/another database/);
    (await openWorld({ dir, seed: 'small' })).release();
  });

  test('has what each campus needs apart from the others, and remembers it', async () => {
    const first = await openWorld({ dir, campuses: 3 });
    first.release();
    expect(first.campuses.map(({ campus }) => campus)).toEqual(['mvan', 'bonaberi', 'garoua']);
    const own = ({ ports, layout, keys }: World) => [
      ports.campusPostgres,
      layout.edgeState,
      keys.campusSessionKey,
    ];
    expect(new Set(first.campuses.flatMap(own)).size).toBe(9);
    const second = await openWorld({ dir });
    second.release();
    expect(second.campuses.map(own)).toEqual(first.campuses.map(own));
    await expect(openWorld({ dir, campuses: 2 })).rejects.toThrow(/another number of campuses \(3\)/);
  });

  test('keeps its secrets to its owner', async () => {
    const { world, release } = await openWorld({ dir });
    release();
    for (const file of Object.values(world.keys)) expect(statSync(file).mode & 0o077).toBe(0);
  });

  test('takes consecutive ports from a given base, and refuses a base that leaves no room', async () => {
    const { world, release } = await openWorld({ dir, portBase: 23_000 });
    release();
    expect(Object.values(world.ports).toSorted()).toEqual(Array.from({ length: 13 }, (_, n) => 23_000 + n));
    await expect(openWorld({ dir, portBase: 70_000 })).rejects.toThrow(/--port-base is 70000/);
  });

  test('names the file that another database lacks', async () => {
    await expect(openWorld({ dir, database: dir })).rejects.toThrow(/no file schema.sql/);
    expect(existsSync(join(dir, 'lab.lock'))).toBe(false);
  });
});
