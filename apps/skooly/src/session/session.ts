/**
 * Sessions: login checks the password against the staff table and hands out a signed token, in the answer and as a
 * cookie; `authenticate` turns the token of a request back into a user. The token proves who it is; the staff table
 * says each time whether that person still works here, and as what. Logout forgets the cookie: a token that was
 * copied elsewhere lives until it expires.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { Database } from '../database/database.ts';
import { type Language, SkoolyError } from '../errors.ts';
import type { SkoolyServer } from '../server-types.ts';
import type { SessionKeys } from './keys.ts';
import { hashPassword, passwordMatches } from './password.ts';
import { mayDo, type Role } from './roles.ts';
import { signSession, verifySession } from './token.ts';

export interface User {
  id: string;
  login: string;
  name: string;
  campusId: string;
  role: Role;
  language: Language;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `authenticate`; null on the routes that need no session. */
    user: User | null;
  }
}

export interface SessionRoom {
  database: Database;
  keys: SessionKeys;
  now(): number;
}

const cookieName = 'skooly_session';
const sessionSeconds = 12 * 3_600;

const UserAnswer = Type.Object({
  id: Type.String(),
  login: Type.String(),
  name: Type.String(),
  campusId: Type.String(),
  role: Type.String(),
  language: Type.String(),
  may: Type.Array(Type.String()),
});
const LoginAnswer = Type.Object({ token: Type.String(), expiresAt: Type.String(), user: UserAnswer });
const Credentials = Type.Object(
  {
    login: Type.String({ minLength: 1, maxLength: 64 }),
    password: Type.String({ minLength: 1, maxLength: 256 }),
  },
  { additionalProperties: false },
);

const selectStaff = `select id, login, full_name as name, campus_id as "campusId", role, language, active,
  password_hash as "passwordHash" from staff`;

interface StaffRow extends User {
  active: boolean;
  passwordHash: string;
}

export function sessionRoutes(server: SkoolyServer, room: SessionRoom): void {
  const nobody = hashPassword('nobody');
  server.post(
    '/login',
    { schema: { body: Credentials, response: { 200: LoginAnswer } } },
    async (request, reply) => {
      const { login, password } = request.body;
      const found = await room.database.query<StaffRow>(`${selectStaff} where login = $1`, [
        login.toLowerCase(),
      ]);
      const staff = found.rows[0];
      const matches = await passwordMatches(password, staff?.passwordHash ?? (await nobody));
      if (!staff?.active || !matches || !servedHere(room, staff.campusId))
        throw new SkoolyError('LOGIN_FAILED');
      const exp = Math.floor(room.now() / 1_000) + sessionSeconds;
      const { site } = room.keys;
      const payload = { staff: staff.id, campus: staff.campusId, role: staff.role, site, exp };
      const token = signSession(payload, room.keys);
      reply.header('set-cookie', cookie(token, sessionSeconds));
      return { token, expiresAt: new Date(exp * 1_000).toISOString(), user: userAnswer(staff) };
    },
  );
  server.post('/logout', { schema: { response: { 204: Type.Null() } } }, async (_request, reply) => {
    reply.header('set-cookie', cookie('', 0)).code(204);
    return null;
  });
}

export function meRoute(server: SkoolyServer): void {
  server.get('/me', { schema: { response: { 200: UserAnswer } } }, async (request) =>
    userAnswer(userOf(request)),
  );
}

/** Every route of `server` that is registered after this wants a session. */
export function authenticate(server: FastifyInstance, room: SessionRoom): void {
  server.addHook('onRequest', async (request) => {
    const token = tokenOf(request);
    if (!token) throw new SkoolyError('SESSION_MISSING');
    const payload = verifySession(token, room.keys, room.now());
    if (!payload) throw new SkoolyError('SESSION_INVALID');
    const found = await room.database.query<StaffRow>(`${selectStaff} where id = $1`, [payload.staff]);
    const staff = found.rows[0];
    if (!staff?.active || staff.campusId !== payload.campus) throw new SkoolyError('SESSION_INVALID');
    request.user = staff;
  });
}

export function userOf(request: FastifyRequest): User {
  if (!request.user) throw new SkoolyError('SESSION_MISSING');
  return request.user;
}

function servedHere({ keys }: SessionRoom, campusId: string): boolean {
  return keys.site === 'cloud' || keys.site === campusId;
}

function userAnswer({ id, login, name, campusId, role, language }: User) {
  return { id, login, name, campusId, role, language, may: mayDo(role) };
}

function cookie(token: string, maxAgeSeconds: number): string {
  return `${cookieName}=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}`;
}

function tokenOf({ headers }: FastifyRequest): string | undefined {
  const bearer = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
  return bearer ?? new RegExp(`(?:^|; *)${cookieName}=([^;]+)`).exec(headers.cookie ?? '')?.[1];
}
