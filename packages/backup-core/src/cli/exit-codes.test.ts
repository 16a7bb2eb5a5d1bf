import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { syncLogErrors } from '../log-back/errors.ts';
import { restoreErrors } from '../restore/errors.ts';
import { rowsBackErrors } from '../rows-back/errors.ts';
import { exitCodeOf, restoreExitCodes, rowsBackExitCodes, syncLogExitCodes } from './exit-codes.ts';

test('RESTORE.md lists every code with its exit code, and no other', () => {
  const text = readFileSync(new URL('../../RESTORE.md', import.meta.url), 'utf8');
  const listed = [...text.matchAll(/^\| (\d+) +\| `(\w+)`/gm)].map(([, exit, code]) => [code, Number(exit)]);
  const known = Object.entries({ ...restoreErrors, ...rowsBackErrors, ...syncLogErrors }).map(
    ([code, { exit }]) => [code, exit],
  );
  expect(listed.sort()).toEqual(known.sort());
});

test('the help of restore, rows-back and sync-log says every exit code of theirs', () => {
  const exits = (errors: Record<string, { exit: number }>) => Object.values(errors).map(({ exit }) => exit);
  for (const exit of exits(restoreErrors).filter((code) => code > 2))
    expect(restoreExitCodes).toHaveProperty(`${exit}`);
  for (const exit of exits(rowsBackErrors)) expect(rowsBackExitCodes).toHaveProperty(`${exit}`);
  for (const exit of exits(syncLogErrors)) expect(syncLogExitCodes).toHaveProperty(`${exit}`);
});

test('an error ends the command with the code of its room', () => {
  expect(exitCodeOf({ code: 'MANIFEST_GAP' })).toBe(4);
  expect(exitCodeOf({ code: 'REGION_REFUSED' })).toBe(3);
  expect(exitCodeOf({ code: 'commander.missingArgument', exitCode: 1 })).toBe(2);
  expect(exitCodeOf({ code: 'commander.helpDisplayed', exitCode: 0 })).toBe(0);
  expect(exitCodeOf(new Error('x'))).toBe(1);
});
