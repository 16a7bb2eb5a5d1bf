/**
 * A school day over HTTP: people log in on both sides, learn their school, and then do what a day asks of them, each at
 * its time, on campus through the gateway and in the cloud at once. Everything that was acknowledged goes into a ledger,
 * which `verifyLedger` holds against both databases afterwards. The day does not wait for the sync: whoever verifies
 * lets both sites come to rest first. An abort ends the day early; what was under way is entered as uncertain.
 */
import { setTimeout as sleepMs } from 'node:timers/promises';
import type { RandomSource } from './chance.ts';
import { type DayClock, type Desk, type DeskRoom, openAgent, openDesk } from './desk.ts';
import { type DayLedger, openLedger, type Via } from './ledger.ts';
import { type Act, type DayStaff, programmeOf } from './programme.ts';
import { readSchool } from './school.ts';

export type { DayLedger } from './ledger.ts';
export { type LedgerReport, verifyLedger } from './verify.ts';

export interface SchoolDay {
  gatewayUrl: string;
  cloudUrl: string;
  campus: string;
  /** How long the day takes; a slow server makes it longer, never shorter. */
  minutes: number;
  random: RandomSource;
  clock?: DayClock;
  signal?: AbortSignal;
  report?(progress: DayProgress): void;
}

export interface DayProgress {
  done: number;
  total: number;
  what: string;
  ledger: DayLedger;
}

/** More teachers than this take turns at the same desks. */
const mostTeachers = 12;
const mostActsAtOnce = 24;
const schoolDate = new Intl.DateTimeFormat('en-CA', { timeZone: 'Africa/Douala', dateStyle: 'short' });

export const systemClock: DayClock = {
  now: Date.now,
  sleep: (ms, signal) => sleepMs(ms, undefined, { signal }).catch(() => {}),
};

/** @throws when the day cannot begin: nobody answers, or the school's lab staff is not there. */
export async function runSchoolDay(day: SchoolDay): Promise<DayLedger> {
  const { random, campus, clock = systemClock, signal = new AbortController().signal } = day;
  const startedAtMs = clock.now();
  const ledger = openLedger(campus, schoolDate.format(startedAtMs), startedAtMs);
  const agent = openAgent();
  const urls = { gateway: bare(day.gatewayUrl), cloud: bare(day.cloudUrl) };
  const room: DeskRoom = { urls, agent, clock, random, signal, ledger };
  try {
    const staff = await openStaff(room, campus);
    const classes = await readSchool(staff.director.cloud, ledger.date);
    await runActs(programmeOf({ random, clock, ledger }, staff, classes), { ...day, clock, signal, ledger });
  } finally {
    await agent.destroy();
    ledger.endedAtMs = clock.now();
  }
  return ledger;
}

type Running = SchoolDay & { clock: DayClock; signal: AbortSignal; ledger: DayLedger };

async function runActs(
  acts: readonly Act[],
  { minutes, clock, signal, report, ledger }: Running,
): Promise<void> {
  const beganAtMs = clock.now();
  const underWay = new Set<Promise<void>>();
  let done = 0;
  for (const { due, what, run } of acts) {
    const waitMs = beganAtMs + due * minutes * 60_000 - clock.now();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    while (underWay.size >= mostActsAtOnce) await Promise.race(underWay);
    if (signal.aborted) break;
    const act = run().finally(() => {
      underWay.delete(act);
      done += 1;
      report?.({ done, total: acts.length, what, ledger });
    });
    underWay.add(act);
  }
  await Promise.all(underWay);
}

async function openStaff(room: DeskRoom, campus: string): Promise<DayStaff> {
  const onBothSides = async (name: string): Promise<Record<Via, Desk>> => ({
    gateway: await requireDesk(room, `${name}.${campus}`, 'gateway'),
    cloud: await requireDesk(room, `${name}.${campus}`, 'cloud'),
  });
  const director = await onBothSides('directeur');
  const bursar = await onBothSides('intendant');
  const supervisor = await onBothSides('surveillant');
  const teachers = [await requireDesk(room, `prof01.${campus}`, 'gateway')];
  while (teachers.length < mostTeachers) {
    const login = `prof${String(teachers.length + 1).padStart(2, '0')}.${campus}`;
    const desk = await openDesk(room, { login, via: 'gateway' });
    if (!desk) break;
    teachers.push(desk);
  }
  return { director, bursar, supervisor, teachers };
}

async function requireDesk(room: DeskRoom, login: string, via: Via): Promise<Desk> {
  const desk = await openDesk(room, { login, via });
  if (!desk) throw new Error(`${login} cannot log in at ${room.urls[via]}: is the school seeded?`);
  return desk;
}

const bare = (url: string): string => url.replace(/\/+$/, '');
