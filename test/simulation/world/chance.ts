/** Chance from one seed: everything random in a simulation comes from here. */
import { seededRandom } from '../../lab/seeded-random.ts';

export class Chance {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seededRandom(seed);
  }

  /** A stream of its own, so that what one part draws does not change what another is dealt. */
  static stream(seed: number, name: string): Chance {
    let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
    for (const letter of name) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x01000193);
    return new Chance(mixed >>> 0);
  }

  fraction(): number {
    return this.#next();
  }

  happens(probability: number): boolean {
    return this.#next() < probability;
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.#next() * count);
  }

  between(least: number, most: number): number {
    return least + Math.floor(this.#next() * (most - least + 1));
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** Mostly short, sometimes long. */
  delay(meanUs: number): number {
    return -Math.log(1 - this.#next()) * meanUs;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }
}
