/** How large the lab schools are. */
import type { SubSystem } from '../classes/levels.ts';

export const seedSizes = ['small', 'school'] as const;
export type SeedSize = (typeof seedSizes)[number];

export interface ClassPlan {
  subSystem: SubSystem;
  level: string;
  /** Letters or series of the parallel classes. */
  sections: readonly string[];
}

export interface CampusPlan {
  id: string;
  name: string;
  town: string;
  region: string;
  pupils: number;
  teachers: number;
  classes: readonly ClassPlan[];
  /** School days, from the first day of the term, whose rolls were called. */
  rollCallDays: number;
  /** Sequences whose marks are entered; the next one is there to be marked. */
  markedSequences: number;
  /** Share of the pupils for whom something was paid. */
  payingShare: number;
}

const francophone = (level: string, ...sections: string[]): ClassPlan => ({
  subSystem: 'francophone',
  level,
  sections,
});
const anglophone = (level: string, ...sections: string[]): ClassPlan => ({
  subSystem: 'anglophone',
  level,
  sections,
});

const mvan = { id: 'mvan', name: 'Lycée bilingue de Mvan', town: 'Yaoundé', region: 'Centre' };
const bonaberi = { id: 'bonaberi', name: 'Lycée bilingue de Bonabéri', town: 'Douala', region: 'Littoral' };

/** Campuses that a seed adds when it is asked for more than two. */
const more = [
  { id: 'garoua', name: 'Lycée classique de Garoua', town: 'Garoua', region: 'Nord' },
  { id: 'bamenda', name: 'Government Bilingual High School Bamenda', town: 'Bamenda', region: 'Nord-Ouest' },
  { id: 'bertoua', name: 'Lycée bilingue de Bertoua', town: 'Bertoua', region: 'Est' },
  { id: 'maroua', name: 'Lycée bilingue de Maroua', town: 'Maroua', region: 'Extrême-Nord' },
  { id: 'kribi', name: 'Lycée bilingue de Kribi', town: 'Kribi', region: 'Sud' },
  { id: 'ebolowa', name: 'Lycée bilingue d’Ebolowa', town: 'Ebolowa', region: 'Sud' },
];

const fourClasses = [
  francophone('6e', 'A'),
  francophone('3e', 'A'),
  anglophone('Form 1', 'A'),
  anglophone('Form 5', 'A'),
];

const smallCampus = {
  pupils: 48,
  teachers: 3,
  classes: fourClasses,
  rollCallDays: 5,
  markedSequences: 1,
  payingShare: 0.5,
};

export const plans: Record<SeedSize, readonly CampusPlan[]> = {
  small: [
    { ...mvan, ...smallCampus },
    { ...bonaberi, ...smallCampus },
  ],
  school: [
    {
      ...mvan,
      pupils: 1_200,
      teachers: 56,
      classes: [
        francophone('6e', 'A', 'B', 'C', 'D'),
        francophone('5e', 'A', 'B', 'C'),
        francophone('4e', 'A', 'B', 'C'),
        francophone('3e', 'A', 'B', 'C'),
        francophone('2nde', 'A4', 'C'),
        francophone('1ère', 'A4', 'C', 'D'),
        francophone('Tle', 'A4', 'C', 'D'),
        anglophone('Form 1', 'A', 'B'),
        anglophone('Form 2', 'A', 'B'),
        anglophone('Form 3', 'A'),
        anglophone('Form 4', 'A'),
        anglophone('Form 5', 'A'),
        anglophone('Lower Sixth', 'Arts'),
        anglophone('Upper Sixth', 'Arts'),
      ],
      rollCallDays: 60,
      markedSequences: 2,
      payingShare: 0.85,
    },
    {
      ...bonaberi,
      pupils: 240,
      teachers: 12,
      classes: [
        francophone('6e', 'A', 'B'),
        francophone('3e', 'A'),
        anglophone('Form 1', 'A', 'B'),
        anglophone('Form 5', 'A'),
      ],
      rollCallDays: 10,
      markedSequences: 2,
      payingShare: 0.7,
    },
  ],
};

export const defaultCampuses = 2;
export const mostCampuses = defaultCampuses + more.length;

/** The first campuses of a size; those beyond its own are small ones. */
export function plansFor(size: SeedSize, campuses: number): readonly CampusPlan[] {
  return [...plans[size], ...more.map((place) => ({ ...place, ...smallCampus }))].slice(0, campuses);
}
