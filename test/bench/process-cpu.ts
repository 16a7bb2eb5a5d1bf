/** Processor time as the kernel counts it. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

interface Times {
  parent: number;
  /** Its own, with all its threads, and that of its children that have ended. */
  ms: number;
}

const tickMs = 10;

/** At rest is who uses less than this of a processor in such a time. */
const restCpuMs = 30;
const restMs = 300;

/** Resolves when a process and its children use next to no processor. */
export async function atRest(pid: number): Promise<void> {
  for (let before = -Infinity; treeCpuMs(pid) - before > restCpuMs; ) {
    before = treeCpuMs(pid);
    await sleep(restMs);
  }
}

/** Of a process and all its children that live, grandchildren left out. */
export function treeCpuMs(pid: number): number {
  let ms = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const times = timesOf(Number(name));
    if (times !== null && (Number(name) === pid || times.parent === pid)) ms += times.ms;
  }
  return ms;
}

/** Null for a process that has ended meanwhile. */
function timesOf(pid: number): Times | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    const [, parent] = fields;
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { parent: Number(parent), ms: ticks * tickMs };
  } catch {
    return null;
  }
}
