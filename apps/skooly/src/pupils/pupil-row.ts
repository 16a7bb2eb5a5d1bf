/** How a pupil is asked for, stored and shown: one table of fields and columns, from which the SQL is made. */
import Type from 'typebox';
import { Day, Id } from '../fields.ts';

const fields = {
  classId: Id,
  matricule: Type.String({ pattern: '^[A-Z0-9-]{3,20}$' }),
  familyName: Type.String({ minLength: 1, maxLength: 80 }),
  givenNames: Type.String({ minLength: 1, maxLength: 80 }),
  sex: Type.Union([Type.Literal('F'), Type.Literal('M')]),
  bornOn: Day,
  guardianName: Type.String({ maxLength: 120 }),
  guardianPhone: Type.Union([Type.String({ pattern: '^2376[0-9]{8}$' }), Type.Null()]),
};

export const pupilColumns: Record<keyof typeof fields, string> = {
  classId: 'class_id',
  matricule: 'matricule',
  familyName: 'family_name',
  givenNames: 'given_names',
  sex: 'sex',
  bornOn: 'born_on',
  guardianName: 'guardian_name',
  guardianPhone: 'guardian_phone',
};

export const NewPupil = Type.Object({ id: Id, ...fields }, { additionalProperties: false });
export const PupilEdit = Type.Partial(Type.Object(fields), { additionalProperties: false, minProperties: 1 });
export const PupilAnswer = Type.Object({ id: Type.String(), ...fields, updatedBy: Type.String() });

export type PupilAnswer = Type.Static<typeof PupilAnswer>;

const shown = Object.entries(pupilColumns).map(([field, column]) => `${column} as "${field}"`);

export const selectPupil = `select id, ${shown.join(', ')}, updated_by as "updatedBy" from pupil`;
