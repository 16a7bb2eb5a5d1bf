/**
 * The programme of a day: which act is due when, as a share of the day, and from which side. Staff on campus use the
 * gateway; the group's office and parents' mobile money reach the cloud directly. The same pupils, marks and roll calls
 * are touched from both sides.
 */
import { type ActRoom, callRoll, editPupil, enterMarks, pay, reverse } from './acts.ts';
import { between, chance, pick, sample } from './chance.ts';
import type { Desk } from './desk.ts';
import type { Via } from './ledger.ts';
import type { DayClass } from './school.ts';

export interface Act {
  /** In [0, 1): the share of the day after which it is due. */
  due: number;
  what: string;
  run(): Promise<void>;
}

export interface DayStaff {
  teachers: readonly Desk[];
  /** One desk each on either side. */
  director: Record<Via, Desk>;
  bursar: Record<Via, Desk>;
  supervisor: Record<Via, Desk>;
}

const periodsADay = 7;
const correctedShare = 0.1;
const payingShare = 0.05;
const reversedShare = 0.06;
const editedShare = 0.04;
const leastOfAKind = 8;
/** A correction comes while the lesson's roll is still on people's minds. */
const correctionLag = 0.04;

export function programmeOf(room: ActRoom, staff: DayStaff, classes: readonly DayClass[]): Act[] {
  const acts = [
    ...rollCalls(room, staff, classes),
    ...marks(room, staff, classes),
    ...payments(room, staff, classes),
    ...edits(room, staff, classes),
  ];
  return acts.sort((a, b) => a.due - b.due);
}

function rollCalls(room: ActRoom, staff: DayStaff, classes: readonly DayClass[]): Act[] {
  const { random } = room;
  const acts: Act[] = [];
  for (let period = 1; period <= periodsADay; period += 1) {
    classes.forEach((one, index) => {
      const about = { class: one, period };
      const what = `roll call ${one.name}, period ${period}`;
      const due = (period - 1 + random() * 0.6) / periodsADay;
      const teacher = staff.teachers[(index + period) % staff.teachers.length] as Desk;
      acts.push({ due, what, run: () => callRoll(room, teacher, about) });
      if (!chance(random, correctedShare)) return;
      for (const via of ['gateway', 'cloud'] as const) {
        const later = due + random() * correctionLag;
        acts.push({
          due: later,
          what: `${what}, correction`,
          run: () => callRoll(room, staff.supervisor[via], about),
        });
      }
    });
  }
  return acts;
}

function marks(room: ActRoom, staff: DayStaff, classes: readonly DayClass[]): Act[] {
  const { random } = room;
  return classes.flatMap((one, index) => {
    if (one.assessmentIds.length === 0 || one.pupilIds.length === 0) return [];
    const assessmentId = pick(random, one.assessmentIds);
    const some = sample(random, one.pupilIds, 3);
    const teacher = staff.teachers[index % staff.teachers.length] as Desk;
    const due = 0.1 + random() * 0.5;
    const act = (at: number, desk: Desk, pupilIds: readonly string[]): Act => ({
      due: at,
      what: `marks ${one.name}`,
      run: () => enterMarks(room, desk, { assessmentId, pupilIds }),
    });
    const corrections = chance(random, 0.5)
      ? [
          act(due + 0.05 + random() * 0.2, staff.director.cloud, some),
          act(due + 0.05 + random() * 0.2, teacher, some),
        ]
      : [];
    return [act(due, teacher, one.pupilIds), ...corrections];
  });
}

function payments(room: ActRoom, staff: DayStaff, classes: readonly DayClass[]): Act[] {
  const { random } = room;
  const pupilIds = classes.flatMap((one) => one.pupilIds);
  return someOf(room, pupilIds, payingShare).map((pupilId): Act => {
    const via = chance(random, 0.6) ? 'gateway' : 'cloud';
    const reversed = chance(random, reversedShare);
    return {
      due: random() * 0.95,
      what: 'payment',
      run: async () => {
        const paymentId = await pay(room, staff.bursar[via], pupilId);
        if (paymentId && reversed) await reverse(room, staff.bursar[via], paymentId);
      },
    };
  });
}

/** Each of these pupils is edited from both sides, half of them in the same field. */
function edits(room: ActRoom, staff: DayStaff, classes: readonly DayClass[]): Act[] {
  const { random } = room;
  const pupilIds = classes.flatMap((one) => one.pupilIds);
  return someOf(room, pupilIds, editedShare).flatMap((pupilId) => {
    const due = random() * 0.9;
    const contested = chance(random, 0.5);
    const act = (desk: Desk, field: 'phone' | 'guardian'): Act => ({
      due: due + random() * 0.05,
      what: 'pupil edit',
      run: () => editPupil(room, desk, { pupilId, field }),
    });
    return [
      act(staff.supervisor.gateway, 'phone'),
      act(staff.director.cloud, contested ? 'phone' : 'guardian'),
    ];
  });
}

function someOf({ random }: ActRoom, pupilIds: readonly string[], share: number): string[] {
  const count = Math.max(leastOfAKind, Math.round(pupilIds.length * share));
  return sample(random, pupilIds, count + between(random, 0, 2));
}
