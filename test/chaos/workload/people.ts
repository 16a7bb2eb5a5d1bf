/**
 * People of one campus's school at their desks, on campus and in the cloud at once, doing the acts of a school day one after
 * another for as long as a round lasts. What was acknowledged is in the day's ledger.
 */
import { type ActRoom, callRoll, editPupil, enterMarks, pay, reverse } from '../../lab/day/acts.ts';
import { between, chance, pick, sample } from '../../lab/day/chance.ts';
import { systemClock } from '../../lab/day/day.ts';
import { type Desk, type DeskRoom, openAgent, openDesk } from '../../lab/day/desk.ts';
import { type DayLedger, openLedger, type Via } from '../../lab/day/ledger.ts';
import { type DayClass, readSchool } from '../../lab/day/school.ts';
import type { Addresses } from '../../lab/world/status.ts';
import type { Random } from '../random.ts';

const vias = ['gateway', 'cloud'] as const;
const longestPauseMs = 80;

export interface People extends AsyncDisposable {
  readonly campus: string;
  /** Works until the signal aborts, and then until what is under way is answered. */
  work(random: Random, signal: AbortSignal): Promise<DayLedger>;
}

/** Logs everybody in; nothing may be wrong with the lab yet. */
export async function gatherPeople(addresses: Addresses, random: Random, date: string): Promise<People> {
  const { campus, cloud } = addresses;
  const agent = openAgent();
  const room: DeskRoom = {
    urls: { gateway: campus.gateway, cloud: cloud.skooly ?? '' },
    agent,
    clock: systemClock,
    random,
    signal: new AbortController().signal,
    ledger: openLedger(campus.id, date, Date.now()),
  };
  const desks = await Promise.all(
    vias.map(async (via) => [via, await openStaff(room, campus.id, via)] as const),
  );
  const staff = Object.fromEntries(desks) as Record<Via, Staff>;
  const classes = await readSchool(staff.cloud.director, date);
  return {
    campus: campus.id,
    async work(randomOfRound, signal) {
      room.random = randomOfRound;
      room.ledger = openLedger(campus.id, date, Date.now());
      const acts: ActRoom = { random: randomOfRound, clock: systemClock, ledger: room.ledger };
      await Promise.all(
        vias.flatMap((via) =>
          errands.map((errand) => repeat(acts, signal, () => errand(acts, staff[via], classes))),
        ),
      );
      room.ledger.endedAtMs = Date.now();
      return room.ledger;
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy();
    },
  };
}

interface Staff {
  readonly director: Desk;
  readonly bursar: Desk;
  readonly supervisor: Desk;
}

async function openStaff(room: DeskRoom, campus: string, via: Via): Promise<Staff> {
  const open = async (name: string) => {
    const desk = await openDesk(room, { login: `${name}.${campus}`, via });
    if (desk !== undefined) return desk;
    throw new Error(`${name}.${campus} cannot log in: is the school seeded?`);
  };
  return {
    director: await open('directeur'),
    bursar: await open('intendant'),
    supervisor: await open('surveillant'),
  };
}

type Errand = (room: ActRoom, staff: Staff, classes: readonly DayClass[]) => Promise<void>;

const errands: readonly Errand[] = [
  async (room, { bursar }, classes) => {
    const paymentId = await pay(room, bursar, pick(room.random, pick(room.random, classes).pupilIds));
    if (paymentId !== undefined && chance(room.random, 0.1)) await reverse(room, bursar, paymentId);
  },
  (room, { supervisor }, classes) => {
    const about = { class: pick(room.random, classes), period: between(room.random, 1, 7) };
    return callRoll(room, supervisor, about);
  },
  (room, { director, supervisor }, classes) => {
    const { assessmentIds, pupilIds } = pick(room.random, classes);
    if (assessmentIds.length > 0 && chance(room.random, 0.3)) {
      const some = sample(room.random, pupilIds, 3);
      return enterMarks(room, director, { assessmentId: pick(room.random, assessmentIds), pupilIds: some });
    }
    const field = pick(room.random, ['phone', 'guardian'] as const);
    return editPupil(room, supervisor, { pupilId: pick(room.random, pupilIds), field });
  },
];

async function repeat(room: ActRoom, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await act();
    await room.clock.sleep(between(room.random, 0, longestPauseMs), signal);
  }
}
