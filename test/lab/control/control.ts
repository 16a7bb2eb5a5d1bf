/**
 * How other commands reach the lab that is up: HTTP on a socket file that only this user may open. It offers what changes the
 * world (cable, processes, end) and what only the supervisor knows (status). Everything else a command does by itself, over the
 * addresses in the status.
 */
import { chmodSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import Type from 'typebox';
import { LabError } from '../errors.ts';
import type { Lab } from '../lab.ts';
import type { KeptName } from '../world/campuses.ts';
import { socketPath } from './socket-path.ts';

const campus = Type.Optional(Type.String());
const Cut = Type.Object({ refuse: Type.Boolean(), campus });
const Heal = Type.Object({ campus });
const Slow = Type.Object({
  kbps: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  rttMs: Type.Optional(Type.Number()),
  lossPct: Type.Optional(Type.Number()),
  campus,
});
const Name = Type.Object({ name: Type.String() });
const Kill = Type.Object({ signal: Type.String(), hold: Type.Boolean() });

export interface ControlOptions {
  readonly lab: Lab;
  /** Asked to end the lab. */
  onDown(): void;
}

/** Opens the socket; the answer closes it. */
export async function serveControl(
  options: ControlOptions,
): Promise<{ path: string; close(): Promise<void> }> {
  const server = buildControl(options);
  const path = socketPath(options.lab.world.layout.dir);
  rmSync(path, { force: true });
  await server.listen({ path });
  chmodSync(path, 0o600);
  return { path, close: () => server.close() };
}

export function buildControl({ lab, onDown }: ControlOptions): FastifyInstance {
  const server = Fastify({ forceCloseConnections: true, ajv: { customOptions: { coerceTypes: false } } });
  server.setErrorHandler((error: FastifyError & { advice?: string }, _request, reply) =>
    reply.code(error.validation ? 400 : 409).send({
      code: error.code ?? 'INTERNAL',
      message: error.message,
      advice: error.advice ?? 'See the log of the lab.',
    }),
  );
  const cableOf = (name = lab.world.campus) => lab.cableOf(name);
  server.get('/status', { schema: {} }, () => lab.status());
  server.post<{ Body: Type.Static<typeof Cut> }>('/cut', { schema: { body: Cut } }, async ({ body }) => {
    const cable = cableOf(body.campus);
    await cable.cut({ refuse: body.refuse });
    return cable.status();
  });
  server.post<{ Body: Type.Static<typeof Heal> }>('/heal', { schema: { body: Heal } }, async ({ body }) => {
    const cable = cableOf(body.campus);
    await cable.heal();
    return cable.status();
  });
  server.post<{ Body: Type.Static<typeof Slow> }>('/slow', { schema: { body: Slow } }, async ({ body }) => {
    const { campus: name, ...shape } = body;
    const cable = cableOf(name);
    cable.shape(shape);
    return cable.status();
  });
  server.post<{ Params: { name: KeptName }; Body: Type.Static<typeof Kill> }>(
    '/processes/:name/kill',
    { schema: { params: Name, body: Kill } },
    async ({ params, body }) => {
      await lab.kill(params.name, signalOf(body.signal), { hold: body.hold });
      return {};
    },
  );
  server.post<{ Params: { name: KeptName } }>(
    '/processes/:name/start',
    { schema: { params: Name } },
    async ({ params }) => {
      await lab.start(params.name);
      return {};
    },
  );
  server.post('/down', { schema: {} }, async () => {
    onDown();
    return {};
  });
  return server;
}

function signalOf(name: string): NodeJS.Signals {
  if (name in constants.signals) return name as NodeJS.Signals;
  throw new LabError(
    'OPTION_INVALID',
    `There is no signal ${name}.`,
    'Give one like SIGKILL, SIGTERM or SIGSTOP.',
  );
}
