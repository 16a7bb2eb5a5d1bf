/**
 * How the values of one column are written: the first of these forms that gives back every value exactly. Identities go
 * into a pool that the whole block shares, so that a pupil's is carried once, however many rows refer to it.
 *
 * | form                             | values                                                                         |
 * | -------------------------------- | ------------------------------------------------------------------------------ |
 * | `["c", value]`                   | all the same                                                                   |
 * | `["k", index]`                   | those of an earlier column of the set                                          |
 * | `["u", references]`              | UUIDs: 0 is the next of the pool, n the one that came n places before its end  |
 * | `["n", prefix, width, steps]`    | a prefix and a number, padded with zeros to `width` (0: not), as differences   |
 * | `["t", suffix, steps]`           | timestamps in microseconds since 1970, as differences                          |
 * | `["d", distinct, indexes]`       | few different ones                                                             |
 * | `["v", values]`                  | any                                                                            |
 *
 * In `u`, `n` and `t` null stands for NULL.
 */
import type { Value } from '../transaction/transaction.ts';
import { formatMicros, parseMicros } from './micros.ts';
import type { UuidReader, UuidWriter } from './uuid-pool.ts';

type Steps = (number | null)[];

export type ColumnCode =
  | ['c', Value]
  | ['k', number]
  | ['u', Steps]
  | ['n', string, number, Steps]
  | ['t', string, Steps]
  | ['d', Value[], number[]]
  | ['v', Value[]];

/** What decodes to something else than what it was made of, or to nothing. */
export class ColumnError extends Error {}

export function encodeColumn(
  values: readonly Value[],
  earlier: readonly (readonly Value[])[],
  pool: UuidWriter,
): ColumnCode {
  const [first = null] = values;
  if (values.every((value) => value === first)) return ['c', first];
  const same = earlier.findIndex((other) => equal(other, values));
  if (same !== -1) return ['k', same];
  return (
    pool.references(values) ??
    timestamps(values) ??
    fewDistinct(values) ??
    numbered(values) ?? ['v', [...values]]
  );
}

/** @throws ColumnError when it cannot be the code of `size` values. */
export function decodeColumn(
  code: ColumnCode,
  size: number,
  earlier: readonly (readonly Value[])[],
  pool: UuidReader,
): readonly Value[] {
  const values = decoded(code, size, earlier, pool);
  if (values.length !== size) throw new ColumnError(`a column holds ${values.length} values, not ${size}`);
  return values;
}

function decoded(
  code: ColumnCode,
  size: number,
  earlier: readonly (readonly Value[])[],
  pool: UuidReader,
): readonly Value[] {
  switch (code[0]) {
    case 'c':
      return new Array<Value>(size).fill(code[1]);
    case 'k':
      return earlier[code[1]] ?? fail('a column refers to one that is not there');
    case 'u':
      return pool.values(code[1]);
    case 'n': {
      const [, prefix, width, steps] = code;
      return summed(steps, (number) => prefix + String(number).padStart(width, '0'));
    }
    case 't': {
      const [, suffix, steps] = code;
      return summed(steps, (micros) => formatMicros(micros) + suffix);
    }
    case 'd': {
      const [, distinct, indexes] = code;
      return indexes.map((index) => {
        const value = distinct[index];
        return value === undefined ? fail('a column refers to a value that is not there') : value;
      });
    }
    case 'v':
      return code[1];
  }
}

/** Adds the differences up. */
function summed(steps: Steps, text: (number: number) => string): Value[] {
  let number = 0;
  return steps.map((step) => {
    if (step === null) return null;
    number += step;
    if (!Number.isSafeInteger(number) || number < 0) throw new ColumnError('a number is out of range');
    return text(number);
  });
}

function stepsOf(values: readonly Value[], numberOf: (value: string) => number | null): Steps | null {
  const steps: Steps = [];
  let last = 0;
  for (const value of values) {
    if (value === null) {
      steps.push(null);
      continue;
    }
    const number = numberOf(value);
    if (number === null) return null;
    steps.push(number - last);
    last = number;
  }
  return steps;
}

const utc = '+00';

function timestamps(values: readonly Value[]): ColumnCode | null {
  const sample = values.find((value) => value !== null) as string;
  const suffix = sample.endsWith(utc) ? utc : '';
  const steps = stepsOf(values, (value) => {
    if (!value.endsWith(suffix)) return null;
    const body = value.slice(0, value.length - suffix.length);
    const micros = parseMicros(body);
    return micros !== null && formatMicros(micros) === body ? micros : null;
  });
  return steps && ['t', suffix, steps];
}

/** Up to half as many different ones as there are values. */
function fewDistinct(values: readonly Value[]): ColumnCode | null {
  const limit = values.length / 2;
  const indexes = new Map<Value, number>();
  const code: number[] = [];
  for (const value of values) {
    let index = indexes.get(value);
    if (index === undefined) {
      index = indexes.size;
      if (index >= limit) return null;
      indexes.set(value, index);
    }
    code.push(index);
  }
  return ['d', [...indexes.keys()], code];
}

const trailingDigits = /[0-9]{1,15}$/;

function numbered(values: readonly Value[]): ColumnCode | null {
  const sample = values.find((value) => value !== null) as string;
  const digits = trailingDigits.exec(sample)?.[0];
  if (digits === undefined) return null;
  const prefix = sample.slice(0, sample.length - digits.length);
  return withPrefix(values, prefix, 0) ?? withPrefix(values, prefix, digits.length);
}

function withPrefix(values: readonly Value[], prefix: string, width: number): ColumnCode | null {
  const steps = stepsOf(values, (value) => {
    if (!value.startsWith(prefix)) return null;
    const digits = value.slice(prefix.length);
    if (digits.length > 15) return null;
    const number = Number(digits);
    const isWritten = number >= 0 && String(number).padStart(width, '0') === digits;
    return isWritten && Number.isSafeInteger(number) ? number : null;
  });
  return steps && ['n', prefix, width, steps];
}

function equal(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

function fail(problem: string): never {
  throw new ColumnError(problem);
}
