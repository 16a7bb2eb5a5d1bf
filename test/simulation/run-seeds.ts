/** Runs many seeds in worker processes, a range at a time, so that none waits for another. */
import { type ChildProcess, fork } from 'node:child_process';
import type { SimulationResult } from './simulation.ts';

export interface SeedRange {
  from: number;
  count: number;
  bug?: string;
}

export type SeedReport = Omit<SimulationResult, 'trace' | 'seconds'>;

export interface RunOptions extends SeedRange {
  workers: number;
  /** Called for each seed, in no order. @returns whether to go on. */
  onSeed(report: SeedReport): boolean;
}

const seedsAtOnce = 20;

/** Resolves when all seeds are through, or `onSeed` has had enough. @throws when a worker ends by itself. */
export async function runSeeds({ from, count, bug, workers, onSeed }: RunOptions): Promise<void> {
  const end = from + count;
  let next = from;
  let stopped = false;
  const runOne = (worker: ChildProcess) =>
    new Promise<void>((resolve, reject) => {
      let left = 0;
      const more = () => {
        if (left > 0 && !stopped) return;
        if (stopped || next >= end) return resolve();
        const range = { from: next, count: Math.min(seedsAtOnce, end - next), bug };
        next += range.count;
        left = range.count;
        worker.send(range);
      };
      worker.on('message', (report: SeedReport) => {
        left--;
        if (!stopped && !onSeed(report)) stopped = true;
        more();
      });
      worker.on('exit', (code) => reject(new Error(`a worker ended with ${code}`)));
      more();
    });
  const children = Array.from({ length: workers }, () =>
    fork(new URL('bin/seed-worker.ts', import.meta.url)),
  );
  try {
    await Promise.all(children.map(runOne));
  } finally {
    for (const child of children) child.removeAllListeners('exit').kill();
  }
}
