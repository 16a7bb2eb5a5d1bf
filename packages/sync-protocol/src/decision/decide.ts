/**
 * Decides conflicts: what `planDecision` says, for one entry or many, in one ordinary local transaction. It works on campus
 * without a network as it does in the cloud; parked transactions are only spoken about here, and carried out by the relay.
 *
 * `undo` takes a decision back, for 30 days. It is an ordinary write again. The decision stays in the entry's history.
 */
import type { ClientBase } from 'pg';
import type { Catalog } from '../postgres/apply/catalog.ts';
import { type CarriedOut, type CarryOutRequest, carryOut } from './carry-out.ts';
import {
  isParkedDecision,
  type NewDecision,
  type PastDecision,
  type StandingDecision,
  standingDecision,
} from './decision.ts';
import type { ConflictEntry } from './entry.ts';
import { planDecision } from './plan-decision.ts';
import { planUndo } from './plan-undo.ts';

export interface DecideRequest extends CarryOutRequest {
  decision: NewDecision;
  now: Date;
}

/** @throws DecisionError TOO_MANY. What else does not fit stands in the report, and then nothing is written. */
export async function decide(
  client: ClientBase,
  catalog: Catalog,
  request: DecideRequest,
): Promise<CarriedOut> {
  const { decision, by, now } = request;
  const decidedAt = now.toISOString();
  return carryOut(client, catalog, request, ({ entry, site, table, current }) => {
    const { write, changedSince } = planDecision({ entry, decision, site, table, current });
    const was: StandingDecision['was'] = entry.status === 'settled' ? 'settled' : 'open';
    const history = pastOf(entry, decidedAt);
    return {
      write,
      changedSince,
      inCloud: isParkedDecision(decision),
      entry: (wrote) => ({
        status: 'decided',
        decidedAt,
        decidedBy: by,
        decision: Object.assign({}, decision, { was, site, wrote }, history.length > 0 && { history }),
      }),
    };
  });
}

export interface UndoRequest extends CarryOutRequest {
  now: Date;
  /** Overwrite what was changed since the decision. */
  force?: boolean;
}

/** @throws DecisionError TOO_MANY */
export async function undo(client: ClientBase, catalog: Catalog, request: UndoRequest): Promise<CarriedOut> {
  const { by, now, force = false } = request;
  return carryOut(client, catalog, request, ({ entry, site, table, current }) => {
    const { undone, write, inCloud } = planUndo({ entry, site, table, current, force, now });
    const { decidedAt, decidedBy } = entry;
    const ended = { ended: 'undone', endedAt: now.toISOString(), endedBy: by } as const;
    const past = entry.decision?.history ?? [];
    const history = [...past, { decision: undone, decidedAt, decidedBy, ...ended }];
    const was = undone.was ?? 'open';
    return {
      write,
      changedSince: false,
      inCloud,
      entry: () =>
        inCloud
          ? {
              status: 'decided',
              decidedAt: now.toISOString(),
              decidedBy: by,
              decision: { action: 'undrop', was, site, wrote: null, history },
            }
          : { status: was, decidedAt: null, decidedBy: null, decision: { history } },
    };
  });
}

/** A decision that the cloud tried and could not carry out still names its action, although the entry is open again. */
function pastOf({ decision, status, decidedAt, decidedBy }: ConflictEntry, now: string): PastDecision[] {
  const past = decision?.history ?? [];
  const refused = standingDecision(decision);
  if (!refused || status !== 'open') return past;
  const ended = { ended: 'refused', endedAt: now, endedBy: 'skooly-edge' } as const;
  return [...past, { decision: refused, decidedAt, decidedBy, ...ended }];
}
