/** A worker process: is sent ranges of seeds, answers with what they came to. Ends when its parent lets go. */
import type { SeedRange, SeedReport } from '../run-seeds.ts';
import { simulate } from '../simulation.ts';

process.on('message', async ({ from, count, bug }: SeedRange) => {
  for (let seed = from; seed < from + count; seed++) {
    const { problems, transactions, conflicts, faults, parked } = await simulate(seed, { bug });
    process.send?.({ seed, problems, transactions, conflicts, faults, parked } satisfies SeedReport);
  }
});
