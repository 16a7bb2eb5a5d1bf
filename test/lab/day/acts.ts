/**
 * The single things that people do in a day. Each act reads what it is about to change at the same desk, sends one keyed
 * write, and enters the rows that it really changed into the ledger. Values are chosen so that they differ from what was
 * read, also when a day is run again with the same random numbers: a write that changes nothing proves nothing.
 */
import { attendanceId, clientId, markId, rollCallId } from '@skooly-edge/skooly/ids';
import { between, chance, hex, pick, type RandomSource, sample } from './chance.ts';
import type { Answer, DayClock, Desk, Request } from './desk.ts';
import { type DayLedger, type LedgerWrite, postgresMoment } from './ledger.ts';
import type { DayClass } from './school.ts';

export interface ActRoom {
  random: RandomSource;
  clock: DayClock;
  ledger: DayLedger;
}

type Row = Pick<LedgerWrite, 'kind' | 'table' | 'mode' | 'columns'> & { id: string };

type Status = 'absent' | 'late' | 'excused';
const exceptionStatuses: readonly Status[] = ['absent', 'late', 'excused'];
const exceptionShare = 0.05;

interface RollCallAnswer {
  exceptions: { pupilId: string; status: Status }[];
}

/** The roll of one class and period, or, once it was called, a correction of one or two pupils. */
export async function callRoll(
  room: ActRoom,
  desk: Desk,
  about: { class: DayClass; period: number },
): Promise<void> {
  const { random, clock, ledger } = room;
  const path = `/api/classes/${about.class.id}/roll-calls/${ledger.date}/${about.period}`;
  const seen = await desk.send<RollCallAnswer & { takenAt: string | null }>({ method: 'GET', path });
  if (seen.outcome !== 'acknowledged') return skip(room);
  const before = new Map(seen.body.exceptions.map(({ pupilId, status }) => [pupilId, status]));
  const { pupilIds } = about.class;
  const corrected = seen.body.takenAt !== null;
  const named = corrected
    ? sample(random, pupilIds, between(random, 1, 2))
    : pupilIds.filter(() => chance(random, exceptionShare));
  const exceptions = named.map((pupilId) => ({
    pupilId,
    status: anotherStatus(random, before.get(pupilId)),
  }));
  const takenAtMs = clock.now();
  const body = { takenAt: new Date(takenAtMs).toISOString(), exceptions };
  const answer = await desk.send<RollCallAnswer>({ method: 'PUT', path, body });
  const id = rollCallId(about.class.id, ledger.date, about.period);
  const rows = exceptions.map(
    ({ pupilId, status }): Row => ({
      kind: 'attendance',
      table: 'public.attendance',
      mode: 'update',
      id: attendanceId(id, pupilId),
      columns: status === 'present' ? null : { status },
    }),
  );
  const taken = { taken_at: postgresMoment(takenAtMs) };
  rows.push({ kind: 'roll-call', table: 'public.roll_call', mode: 'update', id, columns: taken });
  enter(room, { method: 'PUT', path }, { answer, rows, seenAt: seen.site });
}

/** Who had an exception is sometimes taken to have been present after all: that row goes away. */
function anotherStatus(random: RandomSource, before: Status | undefined): Status | 'present' {
  if (before && chance(random, 0.3)) return 'present';
  return pick(
    random,
    exceptionStatuses.filter((status) => status !== before),
  );
}

interface MarksAnswer {
  marks: { pupilId: string; value: number }[];
}

/** Marks of `pupilIds` in one assessment. */
export async function enterMarks(
  room: ActRoom,
  desk: Desk,
  about: { assessmentId: string; pupilIds: readonly string[] },
): Promise<void> {
  const path = `/api/assessments/${about.assessmentId}/marks`;
  const seen = await desk.send<MarksAnswer>({ method: 'GET', path });
  if (seen.outcome !== 'acknowledged') return skip(room);
  const before = new Map(seen.body.marks.map(({ pupilId, value }) => [pupilId, value]));
  const marks = about.pupilIds.map((pupilId) => {
    const value = between(room.random, 0, 79) / 4;
    return { pupilId, value: value === before.get(pupilId) ? value + 0.25 : value };
  });
  const answer = await desk.send<MarksAnswer>({ method: 'PUT', path, body: { marks } });
  const rows = marks.map(
    ({ pupilId, value }): Row => ({
      kind: 'mark',
      table: 'public.mark',
      mode: 'update',
      id: markId(about.assessmentId, pupilId),
      columns: { value: value.toFixed(2) },
    }),
  );
  enter(room, { method: 'PUT', path }, { answer, rows, seenAt: seen.site });
}

const amounts = [2_500, 5_000, 7_500, 10_000, 15_000, 25_000] as const;

interface PaymentAnswer {
  payment: { id: string };
  receipt: { id: string; number: string; site: string };
}

/** @returns the payment's id once it is acknowledged. */
export async function pay(room: ActRoom, desk: Desk, pupilId: string): Promise<string | undefined> {
  const { random, clock } = room;
  const method = pick(random, ['cash', 'mtn', 'orange'] as const);
  const operatorTransaction =
    method === 'cash' ? undefined : `LAB${hex(random, 12).toUpperCase()}.${clock.now()}`;
  const body = {
    id: clientId(clock.now(), random),
    pupilId,
    amount: pick(random, amounts),
    method,
    ...(operatorTransaction && { operatorTransaction }),
    paidAt: new Date(clock.now()).toISOString(),
  };
  const columns = {
    pupil_id: pupilId,
    kind: 'payment',
    amount: String(body.amount),
    method,
    operator_transaction: operatorTransaction ?? null,
    recorded_by: desk.login,
  };
  return addMoney(room, desk, { path: '/api/payments', body, columns });
}

export async function reverse(room: ActRoom, desk: Desk, paymentId: string): Promise<void> {
  const { random, clock } = room;
  const reason = 'erreur de saisie';
  const body = { id: clientId(clock.now(), random), reason, reversedAt: new Date(clock.now()).toISOString() };
  const columns = { kind: 'reversal', reverses: paymentId, note: reason, recorded_by: desk.login };
  await addMoney(room, desk, { path: `/api/payments/${paymentId}/reversal`, body, columns });
}

async function addMoney(
  room: ActRoom,
  desk: Desk,
  { path, body, columns }: { path: string; body: { id: string }; columns: Record<string, string | null> },
): Promise<string | undefined> {
  const answer = await desk.send<PaymentAnswer>({ method: 'POST', path, body });
  const rows: Row[] = [{ kind: 'payment', table: 'public.payment', mode: 'append', id: body.id, columns }];
  if (answer.outcome === 'acknowledged') rows.push(receiptRow(body.id, answer.body.receipt));
  enter(room, { method: 'POST', path }, { answer, rows });
  return answer.outcome === 'acknowledged' ? body.id : undefined;
}

function receiptRow(paymentId: string, { id, number, site }: PaymentAnswer['receipt']): Row {
  const dash = number.lastIndexOf('-');
  const series = number.slice(0, dash);
  const serial = String(Number(number.slice(dash + 1)));
  const columns = { payment_id: paymentId, site, series, serial };
  return { kind: 'receipt', table: 'public.receipt', mode: 'append', id, columns };
}

/** A parent has a new number, or another guardian comes for the child. */
export async function editPupil(
  room: ActRoom,
  desk: Desk,
  about: { pupilId: string; field: 'phone' | 'guardian' },
): Promise<void> {
  const nowMs = room.clock.now();
  const phone = `2376${50_000_000 + ((between(room.random, 0, 49_999_999) + nowMs) % 50_000_000)}`;
  const guardian = `Tuteur ${hex(room.random, 8)} ${nowMs}`;
  const body = about.field === 'phone' ? { guardianPhone: phone } : { guardianName: guardian };
  const columns: Row['columns'] =
    about.field === 'phone' ? { guardian_phone: phone } : { guardian_name: guardian };
  const path = `/api/pupils/${about.pupilId}`;
  const answer = await desk.send({ method: 'PATCH', path, body });
  const row: Row = { kind: 'pupil', table: 'public.pupil', mode: 'update', id: about.pupilId, columns };
  enter(room, { method: 'PATCH', path }, { answer, rows: [row] });
}

function skip({ ledger }: ActRoom): void {
  ledger.requests.skipped += 1;
}

interface Entry {
  answer: Answer<unknown>;
  rows: readonly Row[];
  /** The site whose state was read before; another one may have had nothing to change. */
  seenAt?: string;
}

function enter({ ledger }: ActRoom, asked: Request, { answer, rows, seenAt }: Entry): void {
  ledger.requests[answer.outcome] += 1;
  if (answer.outcome === 'refused') {
    const { key, status, code, message } = answer;
    ledger.refusals.push({ key, request: `${asked.method} ${asked.path}`, status, code, message });
    if (answer.attempts === 1) return;
  }
  const blind = seenAt !== undefined && seenAt !== answer.site;
  const outcome = answer.outcome === 'acknowledged' && !blind ? 'acknowledged' : 'uncertain';
  const { key, via, site, sentAtMs, answeredAtMs } = answer;
  for (const { id, ...row } of rows) {
    ledger.writes.push({ ...row, key, rowKey: { id }, outcome, via, site, sentAtMs, answeredAtMs });
  }
}
