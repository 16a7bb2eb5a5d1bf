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
import type { ProcessName } from '../world/world.ts';
import { socketPath } from './socket-path.ts';

const Cut = Type.Object({ refuse: Type.Boolean() });
const Slow = Type.Object({
  kbps: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  rttMs: Type.Optional(Type.Number()),
  lossPct: Type.Optional(Type.Number()),
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
  server.get('/status', { schema: {} }, () => lab.status());
  server.post<{ Body: Type.Static<typeof Cut> }>('/cut', { schema: { body: Cut } }, async ({ body }) => {
    await lab.cable.cut(body);
    return lab.cable.status();
  });
  server.post('/heal', { schema: {} }, async () => {
    await lab.cable.heal();
    return lab.cable.status();
  });
  server.post<{ Body: Type.Static<typeof Slow> }>('/slow', { schema: { body: Slow } }, async ({ body }) => {
    lab.cable.shape(body);
    return lab.cable.status();
  });
  server.post<{ Params: { name: ProcessName }; Body: Type.Static<typeof Kill> }>(
    '/processes/:name/kill',
    { schema: { params: Name, body: Kill } },
    async ({ params, body }) => {
      await lab.kill(params.name, signalOf(body.signal), { hold: body.hold });
      return {};
    },
  );
  server.post<{ Params: { name: ProcessName } }>(
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
