import { LabError } from '../errors.ts';

const MAX_LINES = 3;
/** Lines that give a reason; a wrong setting is named in a line of level LOG. */
const TELLING = /\b(FATAL|PANIC|ERROR|HINT):|unrecognized configuration|invalid value|could not bind/;

export interface StartFailure {
  readonly error: LabError;
  /** Whether it goes away by itself in a moment, so that another try makes sense. */
  readonly passes: boolean;
}

/** Reads what the server logged during a start that failed. */
export function startFailure(
  log: string,
  server: { port: number; dataDir: string; logFile: string },
): StartFailure {
  if (/could not bind .*Address already in use/.test(log)) {
    const message = `Port ${server.port} of 127.0.0.1 is taken.`;
    return {
      passes: false,
      error: new LabError('PORT_TAKEN', message, 'Choose another port, or end what listens there.'),
    };
  }
  if (/No space left on device/.test(log)) {
    const message = `The disk of ${server.dataDir} is full, so Postgres does not start.`;
    return {
      passes: false,
      error: new LabError('DISK_FULL', message, 'Free some disk space, then start again: nothing is lost.'),
    };
  }
  return {
    passes: /pre-existing shared memory block|lock file ".*" already exists/.test(log),
    error: new LabError(
      'POSTGRES_START_FAILED',
      `Postgres did not start: ${lastWords(log)}`,
      `See ${server.logFile}.`,
    ),
  };
}

function lastWords(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  const bad = lines.filter((line) => TELLING.test(line));
  const chosen = (bad.length > 0 ? bad : lines).slice(-MAX_LINES);
  const words = chosen.map((line) => line.replace(/^.*?\b(LOG|FATAL|PANIC|ERROR|HINT):\s*/, '').trim());
  return words.join('; ') || 'it wrote nothing to its log.';
}
