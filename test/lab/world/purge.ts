import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from '../errors.ts';
import { movedData } from '../postgres/owner.ts';
import { campusFolder } from './campuses.ts';
import { layout } from './layout.ts';
import { readState } from './state.ts';

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
  const others = Object.keys(readState(places.state)?.otherCampuses ?? {});
  const moved = others.map((campus) => join(campusFolder(dir, campus), 'postgres'));
  for (const stateDir of [places.cloudPostgres, places.campusPostgres, ...moved]) {
    rmSync(movedData(stateDir), { recursive: true, force: true });
  }
  rmSync(dir, { recursive: true, force: true });
}
