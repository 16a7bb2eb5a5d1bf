import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { LabError } from '../errors.ts';
import { lockHolder } from '../processes/folder-lock.ts';
import { layout } from '../world/layout.ts';
import { type LabState, readState } from '../world/state.ts';

export type Ask = (method: 'GET' | 'POST', path: string, body?: object) => Promise<unknown>;

/** Talks to the lab that is up in this folder; refuses with one sentence when there is none. */
export function connectControl(dir: string): Ask {
  const state = runningState(dir);
  if (state?.controlSocket)
    return (method, path, body) => ask(state.controlSocket as string, { method, path, body });
  throw new LabError('LAB_NOT_RUNNING', `No lab is up in ${dir}.`, 'Start it: npm run lab -- up');
}

/** The state of the lab that is up in this folder, null when none is. */
export function runningState(dir: string): LabState | null {
  const places = layout(dir);
  return lockHolder(places.lock) === null ? null : readState(places.state);
}

function ask(
  socketPath: string,
  { method, path, body }: { method: string; path: string; body?: object | undefined },
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = text === undefined ? {} : { 'content-type': 'application/json' };
    const call = request({ socketPath, method, path, headers, agent: false }, async (answer) => {
      const said = (await json(answer).catch(() => ({}))) as {
        code: LabError['code'];
        message: string;
        advice: string;
      };
      if (answer.statusCode === 200) resolve(said);
      else reject(new LabError(said.code, said.message, said.advice));
    });
    call.once('error', (cause) =>
      reject(
        new LabError('LAB_NOT_RUNNING', 'The lab does not answer.', 'Start it again: npm run lab -- up', {
          cause,
        }),
      ),
    );
    call.end(text);
  });
}
