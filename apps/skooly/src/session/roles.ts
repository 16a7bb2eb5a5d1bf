/** Who may do what: a table, nothing else. Everybody may read what belongs to the own campus. */
import { SkoolyError } from '../errors.ts';

export type Role = 'director' | 'bursar' | 'supervisor' | 'teacher';
export type Action = 'take-roll-call' | 'enter-marks' | 'edit-pupil' | 'take-money';

const allowed: Record<Action, readonly Role[]> = {
  'take-roll-call': ['director', 'supervisor', 'teacher'],
  'enter-marks': ['director', 'teacher'],
  'edit-pupil': ['director', 'bursar', 'supervisor'],
  'take-money': ['director', 'bursar'],
};

export function mayDo(role: Role): Action[] {
  return (Object.keys(allowed) as Action[]).filter((action) => allowed[action].includes(role));
}

/** @throws SkoolyError ROLE_NOT_ALLOWED */
export function requireRole(role: Role, action: Action): void {
  if (!allowed[action].includes(role)) throw new SkoolyError('ROLE_NOT_ALLOWED');
}
