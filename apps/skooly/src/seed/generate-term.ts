/** What a term leaves in the class books: roll calls with their exceptions, and marks. */
import { assessmentId, attendanceId, markId, rollCallId } from '../ids.ts';
import { coefficients, periods, subjects } from './curriculum.ts';
import type { MadeClass, Making } from './generate.ts';
import type { Random } from './random.ts';

/** The first Monday of the school year. */
const termStartsMs = Date.UTC(2025, 8, 8);
const dayMs = 24 * 3_600_000;
/** The roll is called a few minutes into the lesson; UTC is one hour behind Yaoundé. */
const utcOffsetHours = 1;
const exceptionShare = 0.045;

export function addRollCalls(making: Making): void {
  for (const day of schoolDays(making.plan.rollCallDays)) {
    for (const made of making.classes) {
      for (let period = 1; period <= periods.length; period += 1) addRollCall(making, made, { day, period });
    }
  }
}

function addRollCall(
  making: Making,
  made: MadeClass,
  { day, period }: { day: string; period: number },
): void {
  const { rows, random, plan } = making;
  const id = rollCallId(made.id, day, period);
  const teacher = random.pick(making.teachers);
  rows.roll_call.push({
    id,
    campus_id: plan.id,
    class_id: made.id,
    held_on: day,
    period,
    taken_at: takenAt(day, period, random),
    taken_by: teacher,
  });
  for (const pupil of made.pupilIds) {
    if (!random.chance(exceptionShare)) continue;
    rows.attendance.push({
      id: attendanceId(id, pupil),
      campus_id: plan.id,
      roll_call_id: id,
      pupil_id: pupil,
      status: random.pick(['absent', 'absent', 'late', 'late', 'excused'] as const),
      noted_by: teacher,
    });
  }
}

/** Marks of the sequences that are over, and the assessments of the one that is to be marked now. */
export function addMarks(making: Making): void {
  const { rows, plan } = making;
  for (const made of making.classes) {
    for (let sequence = 1; sequence <= plan.markedSequences + 1; sequence += 1) {
      for (const subject of subjects) {
        const id = assessmentId(made.id, subject.id, sequence);
        rows.assessment.push({
          id,
          campus_id: plan.id,
          class_id: made.id,
          subject_id: subject.id,
          sequence,
          coefficient: coefficients[made.subSystem][subject.id],
          updated_by: `directeur.${plan.id}`,
        });
        if (sequence <= plan.markedSequences) addMarksOf(making, id, made.pupilIds);
      }
    }
  }
}

function addMarksOf(
  { rows, plan, random, teachers }: Making,
  assessment: string,
  pupilIds: readonly string[],
): void {
  const teacher = random.pick(teachers);
  for (const pupil of pupilIds) {
    if (random.chance(0.02)) continue;
    rows.mark.push({
      id: markId(assessment, pupil),
      campus_id: plan.id,
      assessment_id: assessment,
      pupil_id: pupil,
      value: someMark(random).toFixed(2),
      entered_by: teacher,
    });
  }
}

/** Around 11 of 20, in quarters, as teachers give them. */
function someMark(random: Random): number {
  const bell = (random.next() + random.next() + random.next()) / 3;
  return Math.round((1 + bell * 19) * 4) / 4;
}

function schoolDays(count: number): string[] {
  const days: string[] = [];
  for (let day = 0; days.length < count; day += 1) {
    const date = new Date(termStartsMs + day * dayMs);
    if (date.getUTCDay() !== 0 && date.getUTCDay() !== 6) days.push(date.toISOString().slice(0, 10));
  }
  return days;
}

function takenAt(day: string, period: number, random: Random): string {
  const [startsAt] = periods[period - 1] as (typeof periods)[number];
  const startMs = Date.parse(`${day}T${startsAt}:00Z`) - utcOffsetHours * 3_600_000;
  return new Date(startMs + random.between(60, 600) * 1_000).toISOString();
}
