/**
 * What goes wrong in a round, decided before it begins: which cable is cut or bad, which process is killed, restarted or hangs,
 * when and for how long. Faults overlap. When the round is over, everything is put right again, whatever the faults left.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { between, chance, pick } from '../lab/day/chance.ts';
import type { Lab } from '../lab/lab.ts';
import type { KeptName } from '../lab/world/campuses.ts';
import type { ProcessName } from '../lab/world/world.ts';
import type { Random } from './random.ts';

export interface Fault {
  readonly atMs: number;
  readonly lastsMs: number;
  readonly campus: string;
  readonly what:
    | { readonly kind: 'cut'; readonly refuse: boolean }
    | { readonly kind: 'slow'; readonly kbps: number; readonly rttMs: number; readonly lossPct: number }
    | { readonly kind: 'kill' | 'restart' | 'hang'; readonly process: ProcessName };
}

const fewestFaults = 2;
const mostFaults = 5;
const shortestMs = 100;
const longestMs = 1_500;
const killed: readonly ProcessName[] = [
  'appliance',
  'appliance',
  'relay',
  'relay',
  'cloud-postgres',
  'campus-postgres',
  'campus-postgres',
  'campus-skooly',
  'cloud-skooly',
];
/** Those that answer nobody while they hang, and go on as if nothing had been. */
const hanging: readonly ProcessName[] = ['appliance', 'relay', 'cloud-skooly', 'campus-skooly'];

export function planFaults(random: Random, campuses: readonly string[], roundMs: number): Fault[] {
  const faults = Array.from({ length: between(random, fewestFaults, mostFaults) }, (): Fault => {
    const campus = pick(random, campuses);
    const lastsMs = between(random, shortestMs, longestMs);
    return { atMs: between(random, 0, roundMs), lastsMs, campus, what: planOne(random) };
  });
  return faults.sort((a, b) => a.atMs - b.atMs);
}

function planOne(random: Random): Fault['what'] {
  const kind = pick(random, ['cut', 'cut', 'slow', 'kill', 'kill', 'kill', 'restart', 'hang'] as const);
  if (kind === 'cut') return { kind, refuse: chance(random, 0.5) };
  if (kind === 'slow') {
    const [kbps, rttMs] = [between(random, 64, 1_024), between(random, 20, 600)];
    return { kind, kbps, rttMs, lossPct: between(random, 0, 10) };
  }
  return { kind, process: pick(random, kind === 'hang' ? hanging : killed) };
}

/** Resolves when the last fault is over. */
export async function runFaults(
  lab: Lab,
  faults: readonly Fault[],
  say: (line: string) => void,
): Promise<void> {
  await Promise.all(
    faults.map(async (fault) => {
      await sleep(fault.atMs);
      say(describeFault(fault));
      await runFault(lab, fault);
    }),
  );
}

async function runFault(lab: Lab, { what, campus, lastsMs }: Fault): Promise<void> {
  const cable = lab.cableOf(campus);
  if (what.kind === 'cut') {
    await cable.cut({ refuse: what.refuse });
    await sleep(lastsMs);
    await cable.heal();
  } else if (what.kind === 'slow') {
    cable.shape({ kbps: what.kbps, rttMs: what.rttMs, lossPct: what.lossPct });
    await sleep(lastsMs);
    cable.shape({ kbps: null, rttMs: 0, lossPct: 0 });
  } else if (what.kind === 'hang') {
    await lab.kill(what.process, 'SIGSTOP', { campus });
    await sleep(lastsMs);
    await lab.kill(what.process, 'SIGCONT', { campus });
  } else {
    if (what.kind === 'kill') await lab.kill(what.process, 'SIGKILL', { campus, hold: true });
    else await lab.stop(what.process, { campus });
    await sleep(lastsMs);
    // Another fault may have hit it in its start: `restore` starts what is then still down.
    await lab.start(what.process, { campus }).catch(() => undefined);
  }
}

/** Cables healed and without shape, every process running. */
export async function restoreAll(lab: Lab): Promise<void> {
  for (const campus of lab.campuses) {
    const cable = lab.cableOf(campus);
    cable.shape({ kbps: null, rttMs: 0, lossPct: 0 });
    await cable.heal();
  }
  const { processes } = await lab.status();
  const databasesFirst = (name: string) => (name.includes('postgres') ? 0 : 1);
  for (const { name } of processes.toSorted((a, b) => databasesFirst(a.name) - databasesFirst(b.name))) {
    await lab.kill(name as KeptName, 'SIGCONT');
    await lab.start(name as KeptName);
  }
}

export function describeFault({ atMs, lastsMs, campus, what }: Fault): string {
  const words =
    what.kind === 'cut'
      ? `cable of ${campus} cut${what.refuse ? ', refusing' : ''}`
      : what.kind === 'slow'
        ? `cable of ${campus}: ${what.kbps} kbit/s, ${what.rttMs} ms, ${what.lossPct} % loss`
        : `${what.process}${/^(appliance|campus)/.test(what.process) ? ` of ${campus}` : ''}: ${what.kind}`;
  return `${String(atMs).padStart(5)} ms  ${words}, for ${lastsMs} ms`;
}
