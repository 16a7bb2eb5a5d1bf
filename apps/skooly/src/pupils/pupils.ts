/**
 * Pupils: enrol, look at, edit. An edit names only the fields that it means, and writes only columns that really
 * change: two people who edit different things of one pupil on the two sides of a cut are both right. Enrolling twice
 * with one id is the same as once.
 */
import type Type from 'typebox';
import { requireClass } from '../classes/classes.ts';
import type { Database, Queryable } from '../database/database.ts';
import { SkoolyError } from '../errors.ts';
import { IdParams } from '../fields.ts';
import type { SkoolyServer } from '../server-types.ts';
import { requireRole } from '../session/roles.ts';
import { type User, userOf } from '../session/session.ts';
import { NewPupil, PupilAnswer, PupilEdit, pupilColumns, selectPupil } from './pupil-row.ts';

type Edit = Type.Static<typeof PupilEdit>;
const editable = Object.keys(pupilColumns) as (keyof typeof pupilColumns)[];

export function pupilRoutes(server: SkoolyServer, { database }: { database: Database }): void {
  const getSchema = { params: IdParams, response: { 200: PupilAnswer } };
  server.get('/pupils/:id', { schema: getSchema }, async (request) =>
    readPupil(database, request.params.id, userOf(request).campusId),
  );

  const patchSchema = { params: IdParams, body: PupilEdit, response: { 200: PupilAnswer } };
  server.patch('/pupils/:id', { schema: patchSchema }, async (request) => {
    const user = userOf(request);
    requireRole(user.role, 'edit-pupil');
    return database.transaction((client) => editPupil(client, request.params.id, request.body, user));
  });

  const postSchema = { body: NewPupil, response: { 200: PupilAnswer } };
  server.post('/pupils', { schema: postSchema }, async (request) => {
    const user = userOf(request);
    requireRole(user.role, 'edit-pupil');
    return database.transaction((client) => enrolPupil(client, request.body, user));
  });
}

/** @throws SkoolyError NOT_FOUND unless the pupil is one of this campus. */
export async function readPupil(database: Queryable, id: string, campusId: string): Promise<PupilAnswer> {
  const found = await database.query<PupilAnswer>(`${selectPupil} where id = $1 and campus_id = $2`, [
    id,
    campusId,
  ]);
  const [pupil] = found.rows;
  if (!pupil) throw new SkoolyError('NOT_FOUND', { detail: 'pupil' });
  return pupil;
}

async function editPupil(client: Queryable, id: string, edit: Edit, user: User): Promise<PupilAnswer> {
  if (edit.classId !== undefined) await requireClass(client, edit.classId, user.campusId);
  const named = editable.filter((field) => edit[field] !== undefined);
  const values = named.map((field) => edit[field]);
  const columns = named.map((field) => pupilColumns[field]);
  const sets = columns.map((column, index) => `${column} = $${index + 4}`);
  const differs = columns.map((column, index) => `${column} is distinct from $${index + 4}`);
  await client.query(
    `update pupil set ${sets.join(', ')}, updated_by = $3
     where id = $1 and campus_id = $2 and (${differs.join(' or ')})`,
    [id, user.campusId, user.login, ...values],
  );
  return readPupil(client, id, user.campusId);
}

async function enrolPupil(
  client: Queryable,
  pupil: Type.Static<typeof NewPupil>,
  user: User,
): Promise<PupilAnswer> {
  await requireClass(client, pupil.classId, user.campusId);
  const columns = editable.map((field) => pupilColumns[field]);
  const places = columns.map((_, index) => `$${index + 4}`);
  const inserted = await client.query(
    `insert into pupil (id, campus_id, updated_by, ${columns.join(', ')})
     values ($1, $2, $3, ${places.join(', ')}) on conflict (id) do nothing`,
    [pupil.id, user.campusId, user.login, ...editable.map((field) => pupil[field])],
  );
  const stored = await readPupil(client, pupil.id, user.campusId).catch((cause: unknown) => {
    throw new SkoolyError('PUPIL_DIFFERS', { cause });
  });
  const same = editable.every((field) => stored[field] === pupil[field]);
  if (inserted.rowCount === 0 && !same) throw new SkoolyError('PUPIL_DIFFERS');
  return stored;
}
