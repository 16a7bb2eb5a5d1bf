/** Small helpers over a source of numbers in [0, 1). */
export type RandomSource = () => number;

export const chance = (random: RandomSource, probability: number): boolean => random() < probability;

export const between = (random: RandomSource, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));

export function pick<T>(random: RandomSource, items: readonly T[]): T {
  if (items.length === 0) throw new RangeError('there is nothing to pick from');
  return items[Math.floor(random() * items.length)] as T;
}

/** Up to `count` different items, in random order. */
export function sample<T>(random: RandomSource, items: readonly T[], count: number): T[] {
  const left = [...items];
  const taken: T[] = [];
  while (taken.length < count && left.length > 0)
    taken.push(...left.splice(between(random, 0, left.length - 1), 1));
  return taken;
}

export function hex(random: RandomSource, digits: number): string {
  return Array.from({ length: digits }, () => between(random, 0, 15).toString(16)).join('');
}
