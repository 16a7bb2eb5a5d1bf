/**
 * Marks out of 20: what there is to mark in a class, and the marks of one assessment, many pupils at once. Pupils who
 * are not named keep their marks. A mark's id follows from assessment and pupil; an equal mark is not written again.
 */
import Type from 'typebox';
import { requireClass } from '../classes/classes.ts';
import type { Database, Queryable } from '../database/database.ts';
import { SkoolyError } from '../errors.ts';
import { Id, IdParams } from '../fields.ts';
import { markId } from '../ids.ts';
import type { SkoolyServer } from '../server-types.ts';
import { requireRole } from '../session/roles.ts';
import { type User, userOf } from '../session/session.ts';

const maxMarks = 200;
const MarkValue = Type.Number({ minimum: 0, maximum: 20, multipleOf: 0.01 });
const Marks = Type.Object(
  {
    marks: Type.Array(Type.Object({ pupilId: Id, value: MarkValue }, { additionalProperties: false }), {
      minItems: 1,
      maxItems: maxMarks,
    }),
  },
  { additionalProperties: false },
);
const AssessmentAnswer = Type.Object({
  id: Type.String(),
  subjectId: Type.String(),
  subject: Type.Object({ fr: Type.String(), en: Type.String() }),
  sequence: Type.Integer(),
  coefficient: Type.Integer(),
  marked: Type.Integer(),
});
const MarksAnswer = Type.Object({
  assessmentId: Type.String(),
  marks: Type.Array(
    Type.Object({
      id: Type.String(),
      pupilId: Type.String(),
      value: Type.Number(),
      enteredBy: Type.String(),
    }),
  ),
});

export function markRoutes(server: SkoolyServer, { database }: { database: Database }): void {
  const listSchema = { params: IdParams, response: { 200: Type.Array(AssessmentAnswer) } };
  server.get('/classes/:id/assessments', { schema: listSchema }, async (request) => {
    await requireClass(database, request.params.id, userOf(request).campusId);
    const { rows } = await database.query<Type.Static<typeof AssessmentAnswer>>(
      `select a.id, s.id as "subjectId", json_build_object('fr', s.name_fr, 'en', s.name_en) as subject, a.sequence,
         a.coefficient, (select count(*)::int from mark m where m.assessment_id = a.id) as marked
       from assessment a join subject s on s.id = a.subject_id where a.class_id = $1 order by a.sequence, s.id`,
      [request.params.id],
    );
    return rows;
  });

  const getSchema = { params: IdParams, response: { 200: MarksAnswer } };
  server.get('/assessments/:id/marks', { schema: getSchema }, async (request) => {
    await requireAssessment(database, request.params.id, userOf(request).campusId);
    return readMarks(database, request.params.id);
  });

  const putSchema = { params: IdParams, body: Marks, response: { 200: MarksAnswer } };
  server.put('/assessments/:id/marks', { schema: putSchema }, async (request) => {
    const user = userOf(request);
    requireRole(user.role, 'enter-marks');
    return database.transaction((client) => enterMarks(client, request.params.id, { ...request.body, user }));
  });
}

type Entering = Type.Static<typeof Marks> & { user: User };

async function enterMarks(client: Queryable, assessmentId: string, { marks, user }: Entering) {
  const classId = await requireAssessment(client, assessmentId, user.campusId);
  const markOf = new Map(marks.map(({ pupilId, value }) => [pupilId, value]));
  const pupilIds = [...markOf.keys()].sort();
  const found = await client.query(
    `select 1 from pupil p where p.id = any($1) and (p.class_id = $2 or exists (
       select 1 from mark m where m.assessment_id = $3 and m.pupil_id = p.id))`,
    [pupilIds, classId, assessmentId],
  );
  if (found.rowCount !== pupilIds.length) throw new SkoolyError('PUPIL_NOT_IN_CLASS');
  const ids = pupilIds.map((pupil) => markId(assessmentId, pupil));
  const values = pupilIds.map((pupil) => markOf.get(pupil)?.toFixed(2));
  await client.query(
    `insert into mark (id, campus_id, assessment_id, pupil_id, value, entered_by)
     select x.id, $1, $2, x.pupil, x.value, $3
     from unnest($4::uuid[], $5::uuid[], $6::numeric[]) as x (id, pupil, value)
     on conflict (id) do update set value = excluded.value, entered_by = excluded.entered_by
     where mark.value is distinct from excluded.value`,
    [user.campusId, assessmentId, user.login, ids, pupilIds, values],
  );
  return readMarks(client, assessmentId);
}

async function readMarks(client: Queryable, assessmentId: string): Promise<Type.Static<typeof MarksAnswer>> {
  const { rows } = await client.query(
    `select id, pupil_id as "pupilId", value, entered_by as "enteredBy" from mark
     where assessment_id = $1 order by pupil_id`,
    [assessmentId],
  );
  return { assessmentId, marks: rows };
}

/** @returns the class that is assessed. */
async function requireAssessment(client: Queryable, id: string, campusId: string): Promise<string> {
  const { rows } = await client.query<{ classId: string }>(
    'select class_id as "classId" from assessment where id = $1 and campus_id = $2',
    [id, campusId],
  );
  const [row] = rows;
  if (!row) throw new SkoolyError('NOT_FOUND', { detail: 'assessment' });
  return row.classId;
}
