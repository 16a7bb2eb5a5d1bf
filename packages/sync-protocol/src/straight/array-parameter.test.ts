import { expect, test } from 'vitest';
import { arrayParameter } from './array-parameter.ts';

const one = '0198bbfa-4d80-7593-8987-1744a7d36247';
const two = 'ffffffff-0000-4000-8000-000000000001';

test('UUIDs travel as Postgres sends an array of them', () => {
  expect((arrayParameter('uuid', [one, two]) as Buffer).toString('hex')).toBe(
    `0000000100000000${'00000b86'}0000000200000001` +
      `00000010${one.replaceAll('-', '')}00000010${two.replaceAll('-', '')}`,
  );
});

test.each([
  ['a NULL among them', [one, null], `{"${one}",NULL}`],
  ['one that is written otherwise', [one.replaceAll('-', '')], `{"${one.replaceAll('-', '')}"}`],
  ['what has the length of one only', [one.replace('0198', 'x198')], `{"${one.replace('0198', 'x198')}"}`],
  ['dashes elsewhere', ['0198bbfa4-d80-7593-8987-1744a7d36247'], '{"0198bbfa4-d80-7593-8987-1744a7d36247"}'],
  ['none', [], '{}'],
])('%s is text: Postgres says what it is', (_, values, text) => {
  expect(arrayParameter('uuid', values)).toBe(text);
});

test('text is quoted, and what would end the quotes escaped', () => {
  expect(arrayParameter('text', ['a', null, 'say "no"', 'back\\slash', 'NULL', ''])).toBe(
    '{"a",NULL,"say \\"no\\"","back\\\\slash","NULL",""}',
  );
});
