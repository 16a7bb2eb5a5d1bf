/** Makes up one campus: people, classes, pupils, then what the first term of the school year left behind. */
import { type SubSystem, yearsUp } from '../classes/levels.ts';
import { classId, clientId, staffId, timetableSlotId } from '../ids.ts';
import { periods, subjects } from './curriculum.ts';
import { addMoney } from './generate-money.ts';
import { addMarks, addRollCalls } from './generate-term.ts';
import { boyNames, familyNames, girlNames } from './names.ts';
import type { CampusPlan } from './plans.ts';
import type { Random } from './random.ts';
import { noRows, type SeedRows } from './rows.ts';

export const schoolYear = '2025-2026';
const firstBirthYear = 2014;
/** Enrolment opened at this moment; the pupils' ids tell the order in which they came. */
const enrolmentOpensMs = Date.UTC(2025, 7, 18, 7);
const enrolmentStepMs = 4 * 60_000;

export interface MadeClass {
  id: string;
  name: string;
  level: string;
  subSystem: SubSystem;
  pupilIds: string[];
}

export interface Making {
  plan: CampusPlan;
  rows: SeedRows;
  random: Random;
  teachers: readonly string[];
  classes: MadeClass[];
}

export function curriculumRows(): SeedRows {
  const rows = noRows();
  for (const { id, fr, en } of subjects) rows.subject.push({ id, name_fr: fr, name_en: en });
  return rows;
}

export function generateCampus(plan: CampusPlan, given: { random: Random; passwordHash: string }): SeedRows {
  const rows = noRows();
  rows.campus.push({ id: plan.id, name: plan.name, town: plan.town, region: plan.region });
  periods.forEach(([from, to], index) => {
    rows.period.push({ campus_id: plan.id, number: index + 1, starts_at: from, ends_at: to });
  });
  const teachers = Array.from(
    { length: plan.teachers },
    (_, index) => `prof${String(index + 1).padStart(2, '0')}`,
  );
  const making: Making = {
    plan,
    rows,
    random: given.random,
    teachers: teachers.map(loginOn(plan)),
    classes: [],
  };
  addStaff(making, given.passwordHash);
  addClasses(making);
  addPupils(making);
  addTimetable(making);
  addRollCalls(making);
  addMarks(making);
  addMoney(making);
  return rows;
}

const loginOn = (plan: CampusPlan) => (name: string) => `${name}.${plan.id}`;

function addStaff({ plan, rows, random, teachers }: Making, passwordHash: string): void {
  const add = (login: string, role: string, language: string) => {
    const { familyName, givenNames } = personName(random, random.chance(0.45) ? 'F' : 'M');
    rows.staff.push({
      id: staffId(login),
      campus_id: plan.id,
      login,
      password_hash: passwordHash,
      full_name: `${givenNames} ${familyName}`,
      role,
      language,
      active: true,
    });
  };
  add(`directeur.${plan.id}`, 'director', 'fr');
  add(`intendant.${plan.id}`, 'bursar', 'fr');
  add(`surveillant.${plan.id}`, 'supervisor', 'fr');
  add(`discipline.${plan.id}`, 'supervisor', 'en');
  teachers.forEach((login, index) => {
    add(login, 'teacher', index % 3 === 2 ? 'en' : 'fr');
  });
}

function addClasses({ plan, rows, classes }: Making): void {
  for (const { subSystem, level, sections } of plan.classes) {
    for (const section of sections) {
      const name = `${level} ${section}`;
      const id = classId(plan.id, schoolYear, name);
      const language = subSystem === 'francophone' ? 'fr' : 'en';
      rows.class.push({
        id,
        campus_id: plan.id,
        school_year: schoolYear,
        name,
        level,
        sub_system: subSystem,
        language,
        updated_by: `directeur.${plan.id}`,
      });
      classes.push({ id, name, level, subSystem, pupilIds: [] });
    }
  }
}

function addPupils({ plan, rows, random, classes }: Making): void {
  const prefix = plan.id.slice(0, 3).toUpperCase();
  for (let index = 0; index < plan.pupils; index += 1) {
    const home = classes[index % classes.length] as MadeClass;
    const sex = random.chance(0.5) ? 'F' : 'M';
    const id = clientId(enrolmentOpensMs + index * enrolmentStepMs, random.next);
    const guardian = personName(random, random.chance(0.5) ? 'F' : 'M');
    const { familyName, givenNames } = personName(random, sex);
    home.pupilIds.push(id);
    rows.pupil.push({
      id,
      campus_id: plan.id,
      class_id: home.id,
      matricule: `${prefix}25-${String(index + 1).padStart(4, '0')}`,
      family_name: familyName,
      given_names: givenNames,
      sex,
      born_on: birthDate(random, home),
      guardian_name: `${guardian.givenNames} ${random.chance(0.7) ? familyName : guardian.familyName}`,
      guardian_phone: `2376${random.between(50_000_000, 99_999_999)}`,
      updated_by: `intendant.${plan.id}`,
    });
  }
}

function addTimetable({ plan, rows, random, classes, teachers }: Making): void {
  for (const { id } of classes) {
    for (let weekday = 1; weekday <= 5; weekday += 1) {
      for (let period = 1; period <= periods.length; period += 1) {
        rows.timetable_slot.push({
          id: timetableSlotId(id, weekday, period),
          campus_id: plan.id,
          class_id: id,
          weekday,
          period,
          subject_id: random.pick(subjects).id,
          staff_id: staffId(random.pick(teachers)),
          updated_by: `directeur.${plan.id}`,
        });
      }
    }
  }
}

function personName(random: Random, sex: 'F' | 'M'): { familyName: string; givenNames: string } {
  const names = sex === 'F' ? girlNames : boyNames;
  const first = random.pick(names);
  const second = random.pick(names);
  const givenNames = random.chance(0.4) && second !== first ? `${first} ${second}` : first;
  return { familyName: random.pick(familyNames).toUpperCase(), givenNames };
}

function birthDate(random: Random, { subSystem, level }: MadeClass): string {
  const year = firstBirthYear - yearsUp(subSystem, level) - random.between(0, 2);
  const pad = (number: number) => String(number).padStart(2, '0');
  return `${year}-${pad(random.between(1, 12))}-${pad(random.between(1, 28))}`;
}
