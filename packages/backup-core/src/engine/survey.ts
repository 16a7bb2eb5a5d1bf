/**
 * Finds out what a region holds, when this disk does not know: after the queue was lost, on a new machine, or for a region
 * that is named for the first time. Done once for each region; until it is, nothing that only the region has is counted.
 */
import { isRegionError } from '../region/errors.ts';
import type { Listed, Region } from '../region/region.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Spool } from '../spool/spool.ts';
import type { RegionState } from '../upload/region-state.ts';

const batchSize = 1000;
const retryMs = 30_000;

export interface SurveyOptions {
  readonly region: Region;
  readonly site: string;
  readonly spool: Spool;
  readonly state: RegionState;
  readonly clock: Clock;
}

export async function runSurvey(options: SurveyOptions, signal: AbortSignal): Promise<void> {
  const { region, spool, state, clock } = options;
  const fact = `surveyed:${region.name}`;
  while (!signal.aborted && spool.fact(fact) === null) {
    try {
      await survey(options, signal);
      spool.setFact(fact, new Date(clock.now()).toISOString());
    } catch (error) {
      if (signal.aborted) return;
      if (isRegionError(error)) state.failed(error);
      await clock.sleep(retryMs, signal);
    }
  }
}

async function survey({ region, site, spool }: SurveyOptions, signal: AbortSignal): Promise<void> {
  let batch: Listed[] = [];
  for await (const listed of region.list(`${site}/`, { signal })) {
    batch.push(listed);
    if (batch.length < batchSize) continue;
    spool.found(region.name, batch);
    batch = [];
  }
  spool.found(region.name, batch);
}
