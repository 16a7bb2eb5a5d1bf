/** The fields that requests have in common, and the checks that a schema cannot say. */
import Type from 'typebox';
import { SkoolyError } from './errors.ts';

/** Lower case, as every id is stored: a row key has one spelling. */
export const Id = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$',
});
export const IdParams = Type.Object({ id: Id });
export const Day = Type.String({ format: 'date' });
export const PeriodNumber = Type.String({ pattern: '^([1-9]|10)$' });
/** A moment as the device saw it: every site that executes the request writes the same. Milliseconds at most. */
export const Moment = Type.String({
  pattern: '^20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,3})?(Z|[+-]\\d\\d:\\d\\d)$',
});

const dayMs = 24 * 3_600_000;
/** A device's clock may be ahead, and a cut may have kept a request for a term. */
const plausibleFutureMs = dayMs;
const plausiblePastMs = 400 * dayMs;

/** @throws SkoolyError TIME_IMPLAUSIBLE */
export function plausibleMoment(moment: string, nowMs: number): Date {
  const at = new Date(moment);
  const aheadMs = at.getTime() - nowMs;
  if (!(aheadMs <= plausibleFutureMs && aheadMs >= -plausiblePastMs)) {
    throw new SkoolyError('TIME_IMPLAUSIBLE', { detail: moment });
  }
  return at;
}
