/** Spoils messages: bytes, and the values inside JSON. What comes out may still be right; most of it is not. */

export type Random = () => number;

export const pick = (random: Random, n: number): number => Math.floor(random() * n);
export const oneOf = <T>(random: Random, list: readonly T[]): T => list[pick(random, list.length)] as T;

/** One to four small injuries. */
export function spoilBytes(random: Random, bytes: Uint8Array): Buffer {
  let spoilt = Buffer.from(bytes);
  for (let wounds = 1 + pick(random, 4); wounds > 0; wounds--) spoilt = injure(random, spoilt);
  return spoilt;
}

function injure(random: Random, bytes: Buffer): Buffer<ArrayBuffer> {
  const at = pick(random, bytes.length + 1);
  const length = 1 + pick(random, 8);
  switch (pick(random, 6)) {
    case 0:
      return Buffer.from(bytes.map((byte, i) => (i === at ? byte ^ (1 << pick(random, 8)) : byte)));
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), noise(random, length), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), noise(random, length), bytes.subarray(at + length)]);
    case 4:
      return Buffer.from(bytes.subarray(0, at));
    default:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(pick(random, bytes.length + 1))]);
  }
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => oneOf(random, [0, 0xff, 0x7f, 0x80, pick(random, 256)])));
}

const oddValues: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  0.5,
  '',
  'NaN',
  '\u0000',
  '\ud800',
  '"; DROP TABLE house; --',
  '../../etc/passwd',
  'public.house',
  'sync.site',
  'pg_catalog.pg_authid',
  '0198bbfa-4d80-7593-8987-1744a7d36247',
  'x'.repeat(70_000),
  [],
  {},
  [[[[]]]],
  { __proto__: { campus: 'bonaberi' }, constructor: { name: 1 } },
];

/** @returns JSON text in which something is another value, gone, twice, or nested deeply. */
export function spoilJson(random: Random, json: unknown): string {
  if (pick(random, 20) === 0) return '['.repeat(50_000) + ']'.repeat(50_000);
  if (pick(random, 20) === 0) return JSON.stringify(json).replace('{', '{"__proto__":{"op":"insert"},');
  if (pick(random, 20) === 0) return spoilBytes(random, Buffer.from(JSON.stringify(json))).toString('utf8');
  if (pick(random, 20) === 0) return twice(random, JSON.stringify(json));
  return JSON.stringify(spoilValue(random, structuredClone(json), 0));
}

/** One of its keys a second time, with another value. */
function twice(random: Random, json: string): string {
  const keys = [...json.matchAll(/"[^"\\]*":/g)];
  if (keys.length === 0) return json;
  const { 0: key, index } = oneOf(random, keys);
  return `${json.slice(0, index)}${key}${JSON.stringify(oneOf(random, oddValues))},${json.slice(index)}`;
}

function spoilValue(random: Random, value: unknown, depth: number): unknown {
  if (value === null || typeof value !== 'object' || (depth > 0 && pick(random, 4) === 0))
    return oneOf(random, oddValues);
  const entries = Object.keys(value);
  if (entries.length === 0) return oneOf(random, oddValues);
  const key = oneOf(random, entries);
  const holder = value as Record<string, unknown>;
  switch (pick(random, 5)) {
    case 0:
      if (Array.isArray(value)) value.splice(Number(key), 1);
      else delete holder[key];
      break;
    case 1:
      if (Array.isArray(value)) value.push(holder[key]);
      else holder[`${key}${oneOf(random, ['', '"', ' ', '\u0000', '2'])}`] = holder[key];
      break;
    default:
      holder[key] = spoilValue(random, holder[key], depth + 1);
  }
  return value;
}
