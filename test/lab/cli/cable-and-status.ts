import type { CableStatus } from '../cable/cable.ts';
import { connectControl, runningState } from '../control/client.ts';
import type { CampusStatus, LabStatus } from '../world/status.ts';

const CABLE_WORDS = { up: 'up', cut: 'cut: nothing gets through', refused: 'cut: connections are refused' };

export function printCable(answer: unknown): void {
  console.log(`The cable is ${cableWords(answer as CableStatus)}.`);
}

export async function printStatus({ dir, json = false }: { dir: string; json?: boolean }): Promise<void> {
  if (runningState(dir) === null) {
    console.log(
      json ? JSON.stringify(downStatus(dir), null, 2) : `No lab is up in ${dir}. Start it: npm run lab -- up`,
    );
    process.exitCode = 1;
    return;
  }
  const status = (await connectControl(dir)('GET', '/status')) as LabStatus;
  console.log(json ? JSON.stringify(status, null, 2) : statusLines(status).join('\n'));
}

function downStatus(dir: string) {
  return {
    state: 'DOWN',
    lab: 'down',
    dir,
    cable: null,
    cloud: null,
    campus: null,
    sync: null,
    regions: [],
    campuses: [],
    processes: [],
  };
}

function statusLines({ lab, cloud, campuses, regions, processes }: LabStatus): string[] {
  const lines: [string, string][] = [
    ...campuses.flatMap((campus) => campusLines(campus, lab, campuses.length)),
    ['in the cloud', cloud.skooly ?? cloud.postgres],
    ...regions.map(({ name, endpoint, bucket }): [string, string] => [
      `backups in ${name}`,
      `${endpoint}/${bucket}`,
    ]),
    ['', ''],
    ...processes.map(({ name, state: doing, pid, restarts }): [string, string] => [
      name,
      `${doing}${pid === null ? '' : `, process ${pid}`}${restarts === 0 ? '' : `, started again ${restarts} times`}`,
    ]),
  ];
  return lines.map(([what, value]) => `${what.padEnd(26)}${value}`.trimEnd());
}

function campusLines(campus: CampusStatus, lab: LabStatus['lab'], count: number): [string, string][] {
  const { id, state, cable, sync } = campus;
  return [
    [count === 1 ? 'campus' : id, `${state}${lab === 'up' ? '' : ` (the lab is ${lab})`}`],
    ['cable', cableWords(cable)],
    ['pending', sync === null ? 'unknown: the appliance does not answer' : pendingWords(sync)],
    ['conflicts', sync === null ? 'unknown' : `${sync.conflictsOpen} open, ${sync.parked} parked`],
    ['on campus', campus.skooly === null ? campus.postgres : campus.gateway],
    ['', ''],
  ];
}

function cableWords({ mode, kbps, rttMs, lossPct, bytesUp, bytesDown }: CableStatus): string {
  const shape = [
    kbps === null ? '' : `${kbps} kbit/s`,
    rttMs === 0 ? '' : `round trip ${rttMs} ms`,
    lossPct === 0 ? '' : `${lossPct} % loss`,
  ].filter(Boolean);
  const traffic = `${kilobytes(bytesUp)} up, ${kilobytes(bytesDown)} down`;
  return [CABLE_WORDS[mode], ...shape, traffic].join(', ');
}

function pendingWords(sync: NonNullable<LabStatus['sync']>): string {
  const { pendingTransactions, pendingBytes, oldestPendingSeconds } = sync;
  if (pendingTransactions === 0) return 'nothing';
  const age = oldestPendingSeconds === null ? '' : `, the oldest for ${Math.round(oldestPendingSeconds)} s`;
  return `${pendingTransactions} transactions, ${kilobytes(pendingBytes)}${age}`;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
