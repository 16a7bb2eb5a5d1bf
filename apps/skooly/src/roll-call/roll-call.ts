/**
 * The roll call of a class, a day and a period. It is stored with the pupils who were not simply present. A request names
 * those, and with `present` the ones whose earlier exception is taken back; whoever it does not name keeps what stands,
 * so that two people who correct one roll call do not wipe out each other. Ids follow from what they are about: a
 * request that is sent twice, even to two sites, writes the same rows. What does not change is not written.
 */
import Type from 'typebox';
import { requireClass } from '../classes/classes.ts';
import type { Database, Queryable } from '../database/database.ts';
import { SkoolyError } from '../errors.ts';
import { Day, Id, Moment, PeriodNumber, plausibleMoment } from '../fields.ts';
import { attendanceId, rollCallId } from '../ids.ts';
import type { SkoolyServer } from '../server-types.ts';
import { requireRole } from '../session/roles.ts';
import { type User, userOf } from '../session/session.ts';

const Named = Type.Union([
  Type.Literal('present'),
  Type.Literal('absent'),
  Type.Literal('late'),
  Type.Literal('excused'),
]);
const Status = Type.Union([Type.Literal('absent'), Type.Literal('late'), Type.Literal('excused')]);
const Params = Type.Object({ classId: Id, day: Day, period: PeriodNumber });
const maxExceptions = 200;
const RollCall = Type.Object(
  {
    takenAt: Moment,
    exceptions: Type.Array(Type.Object({ pupilId: Id, status: Named }, { additionalProperties: false }), {
      maxItems: maxExceptions,
    }),
  },
  { additionalProperties: false },
);
const ExceptionAnswer = Type.Object({
  id: Type.String(),
  pupilId: Type.String(),
  status: Status,
  notedBy: Type.String(),
});
const RollCallAnswer = Type.Object({
  id: Type.String(),
  classId: Type.String(),
  day: Type.String(),
  period: Type.Integer(),
  /** Null: this roll was not called yet. */
  takenAt: Type.Union([Type.String(), Type.Null()]),
  takenBy: Type.Union([Type.String(), Type.Null()]),
  exceptions: Type.Array(ExceptionAnswer),
});

interface Key {
  classId: string;
  day: string;
  period: number;
}

export function rollCallRoutes(server: SkoolyServer, room: { database: Database; now(): number }): void {
  const { database } = room;
  const path = '/classes/:classId/roll-calls/:day/:period';
  const getSchema = { params: Params, response: { 200: RollCallAnswer } };
  server.get(path, { schema: getSchema }, async (request) => {
    const key = keyOf(request.params);
    await requireClass(database, key.classId, userOf(request).campusId);
    return readRollCall(database, key);
  });

  const putSchema = { params: Params, body: RollCall, response: { 200: RollCallAnswer } };
  server.put(path, { schema: putSchema }, async (request) => {
    const user = userOf(request);
    requireRole(user.role, 'take-roll-call');
    const key = keyOf(request.params);
    plausibleMoment(`${key.day}T00:00:00Z`, room.now());
    const takenAt = plausibleMoment(request.body.takenAt, room.now());
    return database.transaction((client) => takeRollCall(client, key, { ...request.body, takenAt, user }));
  });
}

interface Taking {
  takenAt: Date;
  exceptions: Type.Static<typeof RollCall>['exceptions'];
  user: User;
}

async function takeRollCall(client: Queryable, key: Key, { takenAt, exceptions, user }: Taking) {
  const id = rollCallId(key.classId, key.day, key.period);
  const statusOf = new Map(exceptions.map(({ pupilId, status }) => [pupilId, status]));
  const pupilIds = [...statusOf.keys()].sort();
  await requireClass(client, key.classId, user.campusId);
  await requirePupils(client, { key, id, pupilIds });
  await client.query(
    `insert into roll_call (id, campus_id, class_id, held_on, period, taken_at, taken_by)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (id) do update set taken_at = excluded.taken_at, taken_by = excluded.taken_by
     where (roll_call.taken_at, roll_call.taken_by) is distinct from (excluded.taken_at, excluded.taken_by)`,
    [id, user.campusId, key.classId, key.day, key.period, takenAt, user.login],
  );
  const [present, exceptional] = partition(pupilIds, (pupil) => statusOf.get(pupil) === 'present');
  await client.query('delete from attendance where roll_call_id = $1 and pupil_id = any($2)', [id, present]);
  await client.query(
    `insert into attendance (id, campus_id, roll_call_id, pupil_id, status, noted_by)
     select x.id, $1, $2, x.pupil, x.status, $3
     from unnest($4::uuid[], $5::uuid[], $6::text[]) as x (id, pupil, status)
     on conflict (id) do update set status = excluded.status, noted_by = excluded.noted_by
     where attendance.status is distinct from excluded.status`,
    [
      user.campusId,
      id,
      user.login,
      exceptional.map((pupil) => attendanceId(id, pupil)),
      exceptional,
      exceptional.map((pupil) => statusOf.get(pupil)),
    ],
  );
  return readRollCall(client, key);
}

/** A pupil who has left the class since keeps the place in a roll call that already names them. */
async function requirePupils(
  client: Queryable,
  about: { key: Key; id: string; pupilIds: string[] },
): Promise<void> {
  const found = await client.query(
    `select 1 from pupil p where p.id = any($1) and (p.class_id = $2 or exists (
       select 1 from attendance a where a.roll_call_id = $3 and a.pupil_id = p.id))`,
    [about.pupilIds, about.key.classId, about.id],
  );
  if (found.rowCount !== about.pupilIds.length) throw new SkoolyError('PUPIL_NOT_IN_CLASS');
}

async function readRollCall(client: Queryable, key: Key): Promise<Type.Static<typeof RollCallAnswer>> {
  const id = rollCallId(key.classId, key.day, key.period);
  const called = await client.query<{ takenAt: Date; takenBy: string }>(
    'select taken_at as "takenAt", taken_by as "takenBy" from roll_call where id = $1',
    [id],
  );
  const exceptions = await client.query<Type.Static<typeof ExceptionAnswer>>(
    `select id, pupil_id as "pupilId", status, noted_by as "notedBy" from attendance
     where roll_call_id = $1 order by pupil_id`,
    [id],
  );
  const [taken] = called.rows;
  return {
    id,
    ...key,
    takenAt: taken?.takenAt.toISOString() ?? null,
    takenBy: taken?.takenBy ?? null,
    exceptions: exceptions.rows,
  };
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

function keyOf(params: Type.Static<typeof Params>): Key {
  return { classId: params.classId, day: params.day, period: Number(params.period) };
}
