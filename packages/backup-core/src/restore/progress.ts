export type Phase = 'base' | 'verify' | 'replay' | 'dump' | 'compare' | 'sync-log' | 'ready';

export interface Progress {
  readonly phase: Phase;
  readonly done: number;
  readonly total: number;
  readonly unit: 'bytes' | 'segments' | 'tables';
  /** By the mean speed of this phase; null: not known yet. */
  readonly etaMs: number | null;
}

/** Tells how far a phase is, at most so often, and always its end. */
export class ProgressTeller {
  readonly #tell: (progress: Progress) => void;
  readonly #nowMs: () => number;
  readonly #everyMs: number;
  #phase: Phase | null = null;
  #startedMs = 0;
  #toldMs = 0;

  constructor(tell: (progress: Progress) => void, nowMs: () => number, everyMs = 200) {
    this.#tell = tell;
    this.#nowMs = nowMs;
    this.#everyMs = everyMs;
  }

  at(phase: Phase, done: number, total: number, unit: Progress['unit']): void {
    const now = this.#nowMs();
    const fresh = phase !== this.#phase;
    if (fresh) [this.#phase, this.#startedMs] = [phase, now];
    if (!fresh && done < total && now - this.#toldMs < this.#everyMs) return;
    this.#toldMs = now;
    const spent = now - this.#startedMs;
    const etaMs = done > 0 && spent > 0 ? Math.max(0, (spent / done) * (total - done)) : null;
    this.#tell({ phase, done, total, unit, etaMs });
  }
}
