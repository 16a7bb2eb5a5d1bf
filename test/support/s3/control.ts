/** Faults from another process: `PUT /_control` with `{"behaviour": {…}, "faults": […]}`; new faults replace the old ones. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import type { Behaviour, Fault } from './faults.ts';
import type { S3Server } from './s3.ts';

export async function answerControl(
  server: S3Server,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method === 'PUT') {
    const asked = (await json(request)) as { behaviour?: Partial<Behaviour>; faults?: readonly Fault[] };
    Object.assign(server.behaviour, asked.behaviour);
    if (asked.faults !== undefined) server.faults.clear();
    for (const fault of asked.faults ?? []) server.faults.add(fault);
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ behaviour: server.behaviour, requests: server.requests.slice(-100) }));
}
