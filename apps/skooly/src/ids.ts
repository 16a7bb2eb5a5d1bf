/**
 * Ids. What a person does once (a pupil enrolled, a payment taken) gets a UUIDv7 where it is done, before it is sent.
 * What has a natural key gets a UUIDv5 of that key, so that the same fact has the same id at every site and a repeated
 * request meets its own row instead of making a second one.
 */
import { v5, v7 } from 'uuid';

const skoolyNamespace = '5b0f3c1e-7a94-5d0a-9c57-3f1e6d2a8b40';

function natural(kind: string, ...key: (string | number)[]): string {
  return v5([kind, ...key].join('\n'), skoolyNamespace);
}

export const classId = (campusId: string, schoolYear: string, name: string) =>
  natural('class', campusId, schoolYear, name);

export const staffId = (login: string) => natural('staff', login);

export const timetableSlotId = (classKey: string, weekday: number, period: number) =>
  natural('timetable-slot', classKey, weekday, period);

export const rollCallId = (classKey: string, heldOn: string, period: number) =>
  natural('roll-call', classKey, heldOn, period);

export const attendanceId = (rollCallKey: string, pupilId: string) =>
  natural('attendance', rollCallKey, pupilId);

export const assessmentId = (classKey: string, subjectId: string, sequence: number) =>
  natural('assessment', classKey, subjectId, sequence);

export const markId = (assessmentKey: string, pupilId: string) => natural('mark', assessmentKey, pupilId);

export const feeId = (ownerId: string, kind: string, schoolYear: string) =>
  natural('fee', ownerId, kind, schoolYear);

export const receiptId = (paymentId: string, site: string) => natural('receipt', paymentId, site);

/** A client-made id; `random` yields numbers in [0, 1), so that a simulation can own it. */
export function clientId(nowMs: number, random: () => number): string {
  const bytes = Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256));
  return v7({ msecs: nowMs, random: bytes, seq: Math.floor(random() * 2 ** 31) });
}
