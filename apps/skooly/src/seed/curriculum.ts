/** What is taught: subjects with their coefficients per sub-system, the day's periods, and what a school asks for. */
import type { SubSystem } from '../classes/levels.ts';

export const subjects = [
  { id: 'MATH', fr: 'Mathématiques', en: 'Mathematics' },
  { id: 'FRAN', fr: 'Français', en: 'French' },
  { id: 'ANGL', fr: 'Anglais', en: 'English Language' },
  { id: 'PHYS', fr: 'Physique-Chimie', en: 'Physics and Chemistry' },
  { id: 'SVT', fr: 'Sciences de la vie et de la Terre', en: 'Biology' },
  { id: 'HIST', fr: 'Histoire', en: 'History' },
  { id: 'GEO', fr: 'Géographie', en: 'Geography' },
  { id: 'ECM', fr: 'Éducation à la citoyenneté', en: 'Citizenship' },
  { id: 'INFO', fr: 'Informatique', en: 'Computer Science' },
  { id: 'EPS', fr: 'Éducation physique et sportive', en: 'Physical Education' },
] as const;

export type SubjectId = (typeof subjects)[number]['id'];

export const coefficients: Record<SubSystem, Record<SubjectId, number>> = {
  francophone: { MATH: 4, FRAN: 5, ANGL: 3, PHYS: 3, SVT: 2, HIST: 2, GEO: 2, ECM: 2, INFO: 2, EPS: 2 },
  anglophone: { MATH: 5, FRAN: 3, ANGL: 5, PHYS: 4, SVT: 3, HIST: 2, GEO: 2, ECM: 2, INFO: 2, EPS: 1 },
};

export const periods = [
  ['07:30', '08:25'],
  ['08:25', '09:20'],
  ['09:20', '10:15'],
  ['10:30', '11:25'],
  ['11:25', '12:20'],
  ['12:45', '13:40'],
  ['13:40', '14:35'],
] as const;

/** Public fees of the first and of the second cycle, in XAF. */
export const publicFees = { first: 7_500, second: 10_000 };
/** What parents' associations ask for, in XAF. */
export const apeeFees = [2_500, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000] as const;
