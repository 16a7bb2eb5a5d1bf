import { readFileSync } from 'node:fs';

/** A pid alone names another process sooner or later; with its start and the boot it names one for ever. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since the boot, as /proc says. */
  readonly started: string;
  readonly boot: string;
}

/** Null when there is no such process now. */
export function identify(pid: number): ProcessIdentity | null {
  const stat = readStat(pid);
  return stat === null ? null : { pid, started: stat.started, boot: bootId() };
}

/** Whether that very process still runs; one that has ended and was not yet reaped does not. */
export function isRunning(identity: ProcessIdentity): boolean {
  const stat = readStat(identity.pid);
  return stat !== null && !stat.isZombie && stat.started === identity.started && identity.boot === bootId();
}

/** The command name in /proc/PID/stat may hold spaces and brackets: the fields are counted from its end. */
function readStat(pid: number): { started: string; isZombie: boolean } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { isZombie: fields[0] === 'Z' || fields[0] === 'X', started: fields[19] ?? '' };
  } catch {
    return null;
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
