import { expect, test } from 'vitest';
import { ConfigError } from '../cli/config/errors.ts';
import { Fields } from '../cli/config/fields.ts';
import { explain, reasonOf } from '../cli/exit-codes.ts';
import { backupErrors } from '../engine/errors.ts';
import { keyErrors } from '../keys/errors.ts';
import { syncLogErrors } from '../log-back/errors.ts';
import { manifestErrors } from '../manifest/errors.ts';
import { RegionError, regionErrors } from '../region/errors.ts';
import { restoreErrors } from '../restore/errors.ts';
import { rowsBackErrors } from '../rows-back/errors.ts';
import { sealErrors } from '../seal/errors.ts';
import { sourceErrors } from '../source/errors.ts';
import { walErrors } from '../source/wal/errors.ts';
import { spoolErrors } from '../spool/errors.ts';
import { frenchPhrase, isListed } from './config.ts';
import { frenchErrors } from './errors.ts';

const english = {
  ...backupErrors,
  ...keyErrors,
  ...manifestErrors,
  ...regionErrors,
  ...restoreErrors,
  ...rowsBackErrors,
  ...sealErrors,
  ...sourceErrors,
  ...spoolErrors,
  ...syncLogErrors,
  ...walErrors,
};

test('every error has its sentence and its advice in French, and no other code has', () => {
  expect(Object.keys(frenchErrors).sort()).toEqual(Object.keys(english).sort());
  for (const { what, advice } of Object.values(frenchErrors)) {
    expect(what).toMatch(/^\p{L}.*\.$/u);
    expect(advice).toMatch(/^\p{Lu}/u);
  }
});

test('options that an advice names are named in French too', () => {
  const options = (text: string) =>
    [...text.matchAll(/--(?:up-to|region|base|latest|from)\b/g)].map(([one]) => one).sort();
  for (const [code, found] of Object.entries(english)) {
    const advice = typeof found === 'string' ? found : found.advice;
    const french = frenchErrors[code as keyof typeof frenchErrors].advice;
    expect([code, options(french)]).toEqual([code, options(advice)]);
  }
});

test('every fix of the configuration has its French', () => {
  const fixes = new Set<string>();
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [name, value] of Object.entries(node))
      if (name === 'fix' && typeof value === 'string') fixes.add(value);
      else walk(value);
  };
  walk(Fields);
  expect(fixes.size).toBeGreaterThan(10);
  for (const fix of fixes) expect([fix, isListed(fix) || frenchPhrase(fix) !== fix]).toEqual([fix, true]);
});

test('an error is explained in the language of the terminal, and what the program said stays legible', () => {
  const error = new RegionError('REGION_CLOCK', 'paris', 'answers 403 (RequestTimeTooSkewed)');
  expect(explain(error)).toMatch(/^Region paris answers 403/);
  expect(explain(error, 'fr')).toBe(
    'L’horloge de cette machine est trop loin de celle de la région. Mettez l’horloge à l’heure (NTP) : sinon la région refuse les demandes.\n' +
      '  (REGION_CLOCK : Region paris answers 403 (RequestTimeTooSkewed).)',
  );
  expect(reasonOf(error, 'fr')).toBe(
    'L’horloge de cette machine est trop loin de celle de la région. (REGION_CLOCK)',
  );
  expect(explain(new ConfigError('--region', 'names lyon', 'use paris or douala'), 'fr')).toBe(
    '--region désigne lyon : prenez paris ou douala.',
  );
  expect(explain(new Error('of somebody else'), 'fr')).toBe('of somebody else');
});
