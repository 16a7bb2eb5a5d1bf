/** The levels of the two sub-systems, in the order in which a pupil passes through them. */
export const levels = {
  francophone: ['6e', '5e', '4e', '3e', '2nde', '1ère', 'Tle'],
  anglophone: ['Form 1', 'Form 2', 'Form 3', 'Form 4', 'Form 5', 'Lower Sixth', 'Upper Sixth'],
} as const;

export type SubSystem = keyof typeof levels;

/** Years since the first level of the sub-system. */
export function yearsUp(subSystem: SubSystem, level: string): number {
  return (levels[subSystem] as readonly string[]).indexOf(level);
}
