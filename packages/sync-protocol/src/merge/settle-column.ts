/** How a policy settles one column that both sides changed. */
import type { Policy } from '../sync-map/sync-map.ts';
import type { Value } from '../transaction/transaction.ts';
import { addDifference, compareDecimals } from './decimal.ts';
import { unite } from './sets.ts';

/** How one column, or one row, was settled. `both`: a value made of both. `open`: the cloud's stands until a person decides. */
export type Winner = 'campus' | 'cloud' | 'both' | 'open';

export interface ContestedColumn {
  /** What the campus saw; undefined when it inserted the row. */
  before: Value | undefined;
  campus: Value;
  cloud: Value;
  /** Postgres's name of the column's type. */
  type: string;
  campusIsNewer(): boolean | null;
}

export interface Settled {
  value: Value;
  winner: Winner;
}

/** Policies that make one value of two: what they give is no side's loss, and is recorded all the same. */
export const arithmeticPolicies: ReadonlySet<Policy> = new Set(['sum', 'min', 'max', 'union']);

export function settleColumn(policy: Policy, column: ContestedColumn): Settled {
  const open: Settled = { value: column.cloud, winner: 'open' };
  switch (policy) {
    case 'campus':
      return { value: column.campus, winner: 'campus' };
    case 'cloud':
      return { value: column.cloud, winner: 'cloud' };
    case 'inbox':
      return open;
    case 'newest': {
      const newer = column.campusIsNewer();
      if (newer === null) return open;
      return newer ? { value: column.campus, winner: 'campus' } : { value: column.cloud, winner: 'cloud' };
    }
    case 'sum':
      return made(sum(column)) ?? open;
    case 'min':
    case 'max':
      return made(extreme(policy, column)) ?? open;
    case 'union':
      return made(union(column)) ?? open;
  }
}

function made(value: Value | undefined): Settled | null {
  return value === undefined ? null : { value, winner: 'both' };
}

/** A campus that inserted the row has no difference to apply; neither has NULL, nor a number that is not finite. */
function sum({ before, campus, cloud }: ContestedColumn): Value | undefined {
  if (before === undefined || before === null || campus === null || cloud === null) return undefined;
  return addDifference(cloud, before, campus) ?? undefined;
}

/** NULL is less than nothing and more than nothing: the other value stands. */
function extreme(policy: 'min' | 'max', { campus, cloud, type }: ContestedColumn): Value | undefined {
  if (campus === null) return cloud;
  if (cloud === null) return campus;
  const order = compareValues(type, campus, cloud);
  if (order === null) return undefined;
  return order < 0 === (policy === 'min') ? campus : cloud;
}

function union({ before, campus, cloud }: ContestedColumn): Value | undefined {
  if (campus === null || cloud === null) return campus ?? cloud;
  return unite(before ?? null, campus, cloud) ?? undefined;
}

const numberTypes = new Set(['smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision']);
const timeTypes = /^(date|time|timestamp)\b/;

export function isNumberType(type: string): boolean {
  return numberTypes.has(type);
}

export function isSetType(type: string): boolean {
  return type === 'jsonb' || type.endsWith('[]');
}

/** Numbers by value; times by their ISO text, which sorts as they do within years of four digits; the rest by its bytes. */
function compareValues(type: string, a: string, b: string): number | null {
  if (isNumberType(type)) return compareDecimals(a, b);
  if (timeTypes.test(type)) return compareTimes(a, b);
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function compareTimes(a: string, b: string): number | null {
  const rank = (text: string) => (text === '-infinity' ? -1 : text === 'infinity' ? 1 : 0);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if ([a, b].some((text) => text.endsWith('BC') || /^\d{5}/.test(text))) return null;
  return a < b ? -1 : a > b ? 1 : 0;
}
