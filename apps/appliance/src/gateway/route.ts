/**
 * Which site serves a request, and what may be done after one failed it: pure, so that every case stands in a test.
 * Going to the box while the link is good is right after a failure, since what the box accepts reaches the cloud anyway.
 */
import type { LinkState } from '../link/states.ts';
import type { Site } from './headers.ts';
import type { AnswerCode } from './words.ts';

export type Policy = 'fallback' | 'local-first';

export interface Position {
  state: LinkState;
  policy: Policy;
  /** The box holds the school's data. Without it the box must not serve: it would show an empty school. */
  boxReady: boolean;
}

/** Null: nobody can serve now. */
export function siteFor({ state, policy, boxReady }: Position): Site | null {
  const cloudFirst = policy === 'fallback' && (state === 'ONLINE' || state === 'SUSPECT');
  if (cloudFirst) return 'cloud';
  if (boxReady) return 'box';
  return state === 'LOCAL' ? null : 'cloud';
}

/** How a request may be treated: what it is, and what has happened to it already. */
export interface Circumstances {
  read: boolean;
  /** Carries an Idempotency-Key. */
  keyed: boolean;
  /** Its body can be sent (again). */
  sendable: boolean;
  /** A site may have done it. */
  sent: boolean;
}

/** Whether it may be sent to another site, although the first one may have done it. */
export function isRepeatable({ read, keyed, sendable, sent }: Circumstances): boolean {
  return sendable && (read || keyed || !sent);
}

export type NextMove = { to: 'box' } | { answer: AnswerCode };

export function afterFailure(site: Site, request: Circumstances, boxReady: boolean): NextMove {
  const unknown = !request.read && request.sent;
  if (site === 'cloud' && boxReady && isRepeatable(request)) return { to: 'box' };
  if (unknown) return { answer: 'OUTCOME_UNKNOWN' };
  if (!boxReady) return { answer: 'CLOUD_APP_UNREACHABLE' };
  return { answer: site === 'box' ? 'BOX_APP_UNREACHABLE' : 'OUTCOME_UNKNOWN' };
}
