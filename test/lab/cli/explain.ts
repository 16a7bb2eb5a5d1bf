import { LabError } from '../errors.ts';

/** A sentence for a person; a stack only for what nobody foresaw. */
export function explain(error: unknown): string {
  if (error instanceof LabError) return `${error.message} ${error.advice}`;
  const { message, code, stack } = error as { message?: string; code?: string; stack?: string };
  if (code === 'SYNC_MAP_INVALID') return String(message);
  if (code === 'ENOSPC') return 'The disk is full. Free some disk space, then start again: nothing is lost.';
  return stack ?? String(error);
}
