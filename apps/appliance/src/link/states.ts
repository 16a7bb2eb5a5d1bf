/**
 * The states of the link, and what each event means in each of them: one table, in which a missing cell does not
 * compile. Pure: an event and the time go in, what is remembered next comes out, with the reason for a person.
 *
 * Fast down, slow up. It starts in LOCAL, since nothing is proven yet; the first time a single good round is enough to
 * begin catching up, afterwards it takes `hitsToCatchUp` in a row and the hold-down must be over.
 */
import { nextHoldDownMs } from './hold-down.ts';
import type { LinkSettings } from './settings.ts';

export const linkStates = ['ONLINE', 'SUSPECT', 'LOCAL', 'RECOVERING', 'CATCHING_UP'] as const;
export type LinkState = (typeof linkStates)[number];

/**
 * `hit`, `miss`, `refused`: a round of probes. `brownOut`: many rounds together. `upstreamFailed`: the gateway saw a
 * request fail; evidence, not proof, so it only asks for a probe. `caughtUp`, `catchUpFailed`: the way back ended.
 */
export type LinkEvent =
  | { type: 'hit'; rttMs: number }
  | { type: 'miss'; reason: string }
  | { type: 'refused'; reason: string }
  | { type: 'brownOut'; reason: string }
  | { type: 'upstreamFailed'; reason: string }
  | { type: 'caughtUp' }
  | { type: 'catchUpFailed'; reason: string };

export interface LinkMemory {
  state: LinkState;
  /** Rounds without an answer since the last good one. */
  misses: number;
  /** Those of them that were refused. */
  refusals: number;
  /** Good rounds in a row on the way up. */
  hits: number;
  /** Nothing was proven yet since this process began. */
  fresh: boolean;
  onlineSinceMs: number | null;
  holdDownMs: number;
  holdDownUntilMs: number;
}

export interface Step {
  next: LinkMemory;
  reasons: string[];
  /** The next round of probes should begin at once. */
  probeNow: boolean;
}

export interface Circumstances {
  nowMs: number;
  settings: LinkSettings;
}

type EventOf<T extends LinkEvent['type']> = Extract<LinkEvent, { type: T }>;
type Cell<T extends LinkEvent['type']> = (
  memory: LinkMemory,
  event: EventOf<T>,
  circumstances: Circumstances,
) => Step;
type Table = { [S in LinkState]: { [T in LinkEvent['type']]: Cell<T> } };

export const firstMemory: LinkMemory = {
  state: 'LOCAL',
  misses: 0,
  refusals: 0,
  hits: 0,
  fresh: true,
  onlineSinceMs: null,
  holdDownMs: 0,
  holdDownUntilMs: 0,
};

const table: Table = {
  ONLINE: {
    hit: allIsWell,
    miss: countMiss,
    refused: countRefusal,
    brownOut: fallToLocal,
    upstreamFailed: suspect,
    caughtUp: stay,
    catchUpFailed: stay,
  },
  SUSPECT: {
    hit: allIsWell,
    miss: countMiss,
    refused: countRefusal,
    brownOut: fallToLocal,
    upstreamFailed: askAtOnce,
    caughtUp: stay,
    catchUpFailed: stay,
  },
  LOCAL: {
    hit: climb,
    miss: stay,
    refused: stay,
    brownOut: stay,
    upstreamFailed: stay,
    caughtUp: stay,
    catchUpFailed: stay,
  },
  RECOVERING: {
    hit: climb,
    miss: fallToLocal,
    refused: fallToLocal,
    brownOut: fallToLocal,
    upstreamFailed: askAtOnce,
    caughtUp: stay,
    catchUpFailed: stay,
  },
  CATCHING_UP: {
    hit: forgetMisses,
    miss: countMissWhileCatchingUp,
    refused: countRefusalWhileCatchingUp,
    brownOut: fallToLocal,
    upstreamFailed: askAtOnce,
    caughtUp: goOnline,
    catchUpFailed: tryAgainLater,
  },
};

export function transition(memory: LinkMemory, event: LinkEvent, circumstances: Circumstances): Step {
  const cell = table[memory.state][event.type] as Cell<LinkEvent['type']>;
  return cell(memory, event, circumstances);
}

function stay(memory: LinkMemory): Step {
  return { next: memory, reasons: [], probeNow: false };
}

function askAtOnce(memory: LinkMemory, { reason }: { reason: string }): Step {
  return { next: memory, reasons: [reason], probeNow: true };
}

function suspect(memory: LinkMemory, { reason }: { reason: string }): Step {
  return { next: { ...memory, state: 'SUSPECT' }, reasons: [reason], probeNow: true };
}

function allIsWell(memory: LinkMemory): Step {
  const reasons = memory.state === 'SUSPECT' ? ['the cloud answers again'] : [];
  return { ...stay({ ...memory, state: 'ONLINE', misses: 0, refusals: 0 }), reasons };
}

function forgetMisses(memory: LinkMemory): Step {
  return stay({ ...memory, misses: 0, refusals: 0 });
}

type Bad = { reason: string };

function countMiss(memory: LinkMemory, event: Bad, circumstances: Circumstances): Step {
  return count({ ...memory, state: 'SUSPECT', misses: memory.misses + 1 }, event, circumstances);
}

function countRefusal(memory: LinkMemory, event: Bad, circumstances: Circumstances): Step {
  const { misses, refusals } = memory;
  return count(
    { ...memory, state: 'SUSPECT', misses: misses + 1, refusals: refusals + 1 },
    event,
    circumstances,
  );
}

function countMissWhileCatchingUp(memory: LinkMemory, event: Bad, circumstances: Circumstances): Step {
  return count({ ...memory, misses: memory.misses + 1 }, event, circumstances);
}

function countRefusalWhileCatchingUp(memory: LinkMemory, event: Bad, circumstances: Circumstances): Step {
  const { misses, refusals } = memory;
  return count({ ...memory, misses: misses + 1, refusals: refusals + 1 }, event, circumstances);
}

function count(counted: LinkMemory, event: Bad, circumstances: Circumstances): Step {
  const { missesToLocal, refusalsToLocal } = circumstances.settings;
  if (counted.misses < missesToLocal && counted.refusals < refusalsToLocal) {
    return { next: counted, reasons: [event.reason], probeNow: false };
  }
  return fallToLocal(counted, event, circumstances);
}

function fallToLocal(memory: LinkMemory, { reason }: Bad, { nowMs, settings }: Circumstances): Step {
  const fallen = { ...memory, state: 'LOCAL', misses: 0, refusals: 0, hits: 0 } as const;
  const wasOnline = memory.onlineSinceMs;
  if (wasOnline === null) return { next: fallen, reasons: [reason], probeNow: false };
  const holdDownMs = nextHoldDownMs(memory.holdDownMs, nowMs - wasOnline, settings.holdDown);
  const held = { ...fallen, onlineSinceMs: null, holdDownMs, holdDownUntilMs: nowMs + holdDownMs };
  return { next: held, reasons: [reason], probeNow: false };
}

function climb(memory: LinkMemory, { rttMs }: { rttMs: number }, { nowMs, settings }: Circumstances): Step {
  if (rttMs >= settings.brownOut.p95Ms) {
    const reasons = [`the cloud answers, but too slowly (${Math.round(rttMs)} ms)`];
    return { ...stay({ ...memory, state: 'LOCAL', hits: 0 }), reasons };
  }
  const hits = memory.hits + 1;
  const needed = memory.fresh ? 1 : settings.hitsToCatchUp;
  if (hits < needed) {
    return {
      ...stay({ ...memory, state: 'RECOVERING', hits }),
      reasons: [`${hits} of ${needed} good answers`],
    };
  }
  if (nowMs < memory.holdDownUntilMs) {
    const seconds = Math.ceil((memory.holdDownUntilMs - nowMs) / 1_000);
    const reasons = [
      `the cloud answers well; held down for another ${seconds} s because the link fell before`,
    ];
    return { ...stay({ ...memory, state: 'RECOVERING', hits }), reasons };
  }
  const reasons = [hits === 1 ? 'the cloud answers' : `${hits} good answers in a row`];
  return {
    ...stay({ ...memory, state: 'CATCHING_UP', misses: 0, refusals: 0, hits, fresh: false }),
    reasons,
  };
}

function goOnline(memory: LinkMemory, _event: EventOf<'caughtUp'>, { nowMs }: Circumstances): Step {
  const next: LinkMemory = {
    ...memory,
    state: 'ONLINE',
    misses: 0,
    refusals: 0,
    hits: 0,
    onlineSinceMs: nowMs,
  };
  return { next, reasons: ['caught up with the cloud'], probeNow: false };
}

function tryAgainLater(memory: LinkMemory, { reason }: EventOf<'catchUpFailed'>): Step {
  return { next: { ...memory, state: 'RECOVERING', hits: 0 }, reasons: [reason], probeNow: false };
}
