import { existsSync, rmSync } from 'node:fs';
import { LabError } from '../errors.ts';
import { movedData } from '../postgres/owner.ts';
import { layout } from './layout.ts';

/** Removes a lab that is down, with its databases; only a folder that a lab has made, since a --dir may be mistyped. */
export function purge(dir: string): void {
  const places = layout(dir);
  if (!existsSync(dir)) return;
  if (!existsSync(places.state)) {
    throw new LabError(
      'OPTION_INVALID',
      `${dir} holds no lab, so it is not removed.`,
      'Give the folder of a lab.',
    );
  }
  for (const stateDir of [places.cloudPostgres, places.campusPostgres]) {
    rmSync(movedData(stateDir), { recursive: true, force: true });
  }
  rmSync(dir, { recursive: true, force: true });
}
