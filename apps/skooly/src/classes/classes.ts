/** Classes of the user's campus: the list with how far today's roll calls are, the pupils, the lessons of a day. */
import Type from 'typebox';
import type { Database, Queryable } from '../database/database.ts';
import { SkoolyError } from '../errors.ts';
import { Day, IdParams } from '../fields.ts';
import { PupilAnswer, selectPupil } from '../pupils/pupil-row.ts';
import type { SkoolyServer } from '../server-types.ts';
import { userOf } from '../session/session.ts';
import { yearsUp } from './levels.ts';

const ClassAnswer = Type.Object({
  id: Type.String(),
  name: Type.String(),
  level: Type.String(),
  subSystem: Type.Union([Type.Literal('francophone'), Type.Literal('anglophone')]),
  language: Type.String(),
  pupils: Type.Integer(),
  /** Periods of the day asked for whose roll was called. */
  called: Type.Array(Type.Integer()),
});
type ClassAnswer = Type.Static<typeof ClassAnswer>;
const PeriodAnswer = Type.Object({ number: Type.Integer(), startsAt: Type.String(), endsAt: Type.String() });

const listClasses = `
  select c.id, c.name, c.level, c.sub_system as "subSystem", c.language,
    (select count(*)::int from pupil p where p.class_id = c.id) as pupils,
    (select coalesce(array_agg(r.period order by r.period), '{}') from roll_call r
      where r.class_id = c.id and r.held_on = $2) as called
  from class c where c.campus_id = $1`;

export function classRoutes(server: SkoolyServer, { database }: { database: Database }): void {
  const listSchema = {
    querystring: Type.Object({ date: Day }, { additionalProperties: false }),
    response: { 200: Type.Array(ClassAnswer) },
  };
  server.get('/classes', { schema: listSchema }, async (request) => {
    const { rows } = await database.query<ClassAnswer>(listClasses, [
      userOf(request).campusId,
      request.query.date,
    ]);
    return rows.sort(bySubSystemAndLevel);
  });

  const pupilsSchema = { params: IdParams, response: { 200: Type.Array(PupilAnswer) } };
  server.get('/classes/:id/pupils', { schema: pupilsSchema }, async (request) => {
    await requireClass(database, request.params.id, userOf(request).campusId);
    const sorted = `${selectPupil} where class_id = $1 order by family_name, given_names, id`;
    const { rows } = await database.query<Type.Static<typeof PupilAnswer>>(sorted, [request.params.id]);
    return rows;
  });

  server.get('/periods', { schema: { response: { 200: Type.Array(PeriodAnswer) } } }, async (request) => {
    const { rows } = await database.query<Type.Static<typeof PeriodAnswer>>(
      `select number, to_char(starts_at, 'HH24:MI') as "startsAt", to_char(ends_at, 'HH24:MI') as "endsAt"
       from period where campus_id = $1 order by number`,
      [userOf(request).campusId],
    );
    return rows;
  });
}

/** @throws SkoolyError NOT_FOUND unless the class is one of this campus. */
export async function requireClass(database: Queryable, classId: string, campusId: string): Promise<void> {
  const found = await database.query('select 1 from class where id = $1 and campus_id = $2', [
    classId,
    campusId,
  ]);
  if (found.rowCount === 0) throw new SkoolyError('NOT_FOUND', { detail: 'class' });
}

function bySubSystemAndLevel(a: ClassAnswer, b: ClassAnswer): number {
  return (
    b.subSystem.localeCompare(a.subSystem) ||
    yearsUp(a.subSystem, a.level) - yearsUp(b.subSystem, b.level) ||
    a.name.localeCompare(b.name)
  );
}
