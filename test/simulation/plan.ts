/** What one seed has in store: how many campuses, how much work, which faults and when. */
import { Chance } from './world/chance.ts';

export type FaultKind =
  | 'cut'
  | 'kill-box'
  | 'kill-relay'
  | 'crash-campus'
  | 'crash-cloud'
  | 'power-cut'
  | 'clock-jump';

export interface Fault {
  kind: FaultKind;
  atUs: number;
  lastsUs: number;
  /** Which campus it befalls. */
  campus: number;
  /** For a kill: after how many more effects. */
  steps: number;
}

export interface Plan {
  campuses: string[];
  actsPerCampus: number;
  actsInCloud: number;
  lastsUs: number;
  loss: number;
  twice: number;
  /** What is larger comes in parts. */
  maxPartChanges: number;
  faults: Fault[];
}

const names = ['mvan', 'etoudi', 'bonamoussadi', 'dschang'];
const second = 1_000_000;

export function planOf(seed: number): Plan {
  const chance = Chance.stream(seed, 'plan');
  const lastsUs = chance.between(8, 40) * second;
  const count = chance.pick([1, 2, 2, 2, 3, 3, 4]);
  const faults: Fault[] = [];
  const kinds: [FaultKind, number][] = [
    ['cut', 3],
    ['kill-box', 3],
    ['kill-relay', 2],
    ['crash-campus', 1],
    ['crash-cloud', 1],
    ['power-cut', 1],
    ['clock-jump', 2],
  ];
  for (const [kind, most] of kinds) {
    for (let left = chance.happens(0.6) ? chance.between(0, most) : 0; left > 0; left--) {
      faults.push({
        kind,
        atUs: chance.below(lastsUs),
        lastsUs: chance.delay(kind === 'cut' ? lastsUs / 4 : 2 * second),
        campus: chance.below(count),
        steps: chance.below(60),
      });
    }
  }
  return {
    campuses: names.slice(0, count),
    actsPerCampus: chance.between(6, 22),
    actsInCloud: chance.between(6, 22 * count),
    lastsUs,
    loss: chance.pick([0, 0, 0.02, 0.1]),
    twice: chance.pick([0, 0.05, 0.3]),
    maxPartChanges: chance.pick([1, 2, 3, 1_000, 1_000, 1_000]),
    faults: faults.sort((a, b) => a.atUs - b.atUs),
  };
}
