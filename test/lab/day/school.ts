/** What the people of a day know of their school before it begins: classes, pupils, and what is to be marked. */
import type { Desk } from './desk.ts';

export interface DayClass {
  id: string;
  name: string;
  pupilIds: string[];
  /** Assessments without marks. */
  assessmentIds: string[];
}

export async function readSchool(desk: Desk, date: string): Promise<DayClass[]> {
  const classes = await readFrom<{ id: string; name: string }[]>(desk, `/api/classes?date=${date}`);
  return Promise.all(
    classes.map(async ({ id, name }) => {
      const pupils = await readFrom<{ id: string }[]>(desk, `/api/classes/${id}/pupils`);
      const assessments = await readFrom<{ id: string; marked: number }[]>(
        desk,
        `/api/classes/${id}/assessments`,
      );
      const unmarked = assessments.filter(({ marked }) => marked === 0);
      return {
        id,
        name,
        pupilIds: pupils.map((pupil) => pupil.id),
        assessmentIds: (unmarked.length > 0 ? unmarked : assessments).map((assessment) => assessment.id),
      };
    }),
  );
}

async function readFrom<T>(desk: Desk, path: string): Promise<T> {
  const answer = await desk.send<T>({ method: 'GET', path });
  if (answer.outcome === 'acknowledged') return answer.body;
  const why = answer.outcome === 'refused' ? `${answer.status} ${answer.code}` : 'no answer';
  throw new Error(`the day cannot begin: GET ${path} got ${why}`);
}
