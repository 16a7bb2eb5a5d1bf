/** The clocks of this machine, in microseconds, and the name of its boot. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface Machine {
  /** The same for every process until the machine boots again. */
  bootId: string;
  /** Since the boot; the same for every process of it; never goes back. */
  monoUs(): number;
  /** The time of day, as far as this machine knows it. */
  wallUs(): number;
  /** Runs `then` after `ms`; the answer cancels it. */
  after(ms: number, then: () => void): () => void;
}

export function thisMachine(after: Machine['after']): Machine {
  return {
    bootId: readBootId(),
    monoUs: () => Number(process.hrtime.bigint() / 1_000n),
    wallUs: () => Date.now() * 1_000,
    after,
  };
}

/** A machine that does not tell its boots apart is taken to boot with each start of this process. */
function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').replaceAll('-', '').slice(0, 12);
  } catch {
    return randomBytes(6).toString('hex');
  }
}
