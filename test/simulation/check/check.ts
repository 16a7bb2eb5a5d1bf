/** What has to hold when everything is at rest. Each check returns a sentence for everything that does not. */
import type { Campus } from '../campus.ts';
import type { Database } from '../database/database.ts';
import type { History } from '../history.ts';
import type { Plan } from '../plan.ts';
import type { Acknowledged } from '../school/desk.ts';
import type { Relay } from '../sites/relay.ts';
import type { Trace } from '../trace.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { convergence } from './convergence.ts';
import { everyChangeOnce } from './every-change-once.ts';
import { fateOfValues } from './fate-of-values.ts';
import { money } from './money.ts';
import { newestWins } from './newest-wins.ts';

export interface World {
  seed: number;
  scheduler: Scheduler;
  plan: Plan;
  cloud: Database;
  cloudHistory: History;
  relay: Relay;
  campuses: Campus[];
  ledger: Acknowledged[];
  /** Where a feed changed a row that was not there. */
  /** Payments that some campus held when the cloud was restored: id → amount. */
  held: Map<string, number>;
  drifts: string[];
  trace: Trace;
}

export function check(world: World): string[] {
  return [
    ...convergence(world),
    ...everyChangeOnce(world),
    ...fateOfValues(world),
    ...money(world),
    ...newestWins(world),
  ];
}
