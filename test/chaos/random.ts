/** Every part of a round draws from a source of its own, so that what one of them does moves nobody else's numbers. */
import { createHash } from 'node:crypto';
import { seededRandom } from '../lab/seeded-random.ts';

export type Random = () => number;

export function randomOf(seed: number, ...names: readonly (string | number)[]): Random {
  const hash = createHash('sha256')
    .update([seed, ...names].join(' '))
    .digest();
  return seededRandom(hash.readUInt32BE(0));
}
