import { expect, test } from 'vitest';
import { mayDo, requireRole } from './roles.ts';

test('a teacher enters marks and takes the roll, and takes no money', () => {
  expect(mayDo('teacher')).toEqual(['take-roll-call', 'enter-marks']);
  expect(() => requireRole('teacher', 'take-money')).toThrow(
    expect.objectContaining({ code: 'ROLE_NOT_ALLOWED' }),
  );
});
