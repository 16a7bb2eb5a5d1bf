import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from '../errors.ts';
import { campusFolder } from '../world/campuses.ts';
import { layout } from '../world/layout.ts';
import { postgresLog } from '../world/postgres-process.ts';
import { readState } from '../world/state.ts';

const LINES = 200;

/** The end of a log, or of all of them; `tail` does the work. */
export async function showLogs(
  name: string | undefined,
  options: { dir: string; follow?: boolean },
): Promise<void> {
  const files = logFiles(options.dir);
  const chosen =
    name === undefined ? Object.values(files) : [files[name]].filter((file) => file !== undefined);
  if (chosen.length === 0) {
    const there = Object.keys(files).join(', ') || 'none yet';
    throw new LabError(
      'OPTION_INVALID',
      `There is no log ${name ?? ''} in ${options.dir}.`,
      `There is: ${there}.`,
    );
  }
  const follow = options.follow ? ['-F'] : [];
  const tail = spawn('tail', ['-n', String(LINES), ...follow, ...chosen], { stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals) => tail.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  await new Promise((done) => tail.once('close', done).once('error', done));
  process.off('SIGINT', forward).off('SIGTERM', forward);
}

function logFiles(dir: string): Record<string, string> {
  const places = layout(dir);
  const names = existsSync(places.logs)
    ? readdirSync(places.logs).filter((file) => file.endsWith('.log'))
    : [];
  const files = names
    .map((file) => file.slice(0, -'.log'.length))
    .map((name) => [name, places.log(name)] as const);
  const databases = [
    ['cloud-postgres', postgresLog(places.cloudPostgres)],
    ['campus-postgres', postgresLog(places.campusPostgres)],
    ...Object.keys(readState(places.state)?.otherCampuses ?? {}).map(
      (campus) =>
        [`campus-postgres-${campus}`, postgresLog(join(campusFolder(dir, campus), 'postgres'))] as const,
    ),
  ] as const;
  return Object.fromEntries([...files, ...databases.filter(([, file]) => existsSync(file))]);
}
