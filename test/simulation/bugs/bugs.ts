/** Deliberate bugs, planted through the seams: what the simulation must catch, each with how it is put in. */
import { type BoxWrap, soundBox } from '../sites/box.ts';
import { type RelayWrap, soundRelay } from '../sites/relay.ts';

export interface Bug {
  what: string;
  box: BoxWrap;
  relay: RelayWrap;
}

const sound: Bug = { what: 'none', box: soundBox, relay: soundRelay };

export const bugs: Record<string, Bug> = {};

/** @throws for a name that is not known. */
export function bugNamed(name: string | undefined): Bug {
  if (name === undefined) return sound;
  const bug = bugs[name];
  if (!bug) throw new Error(`there is no bug ${name}: ${Object.keys(bugs).join(', ')}`);
  return bug;
}
