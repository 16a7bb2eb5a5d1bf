/** The status of the box on one screen. Pure: the status and the time go in, lines come out. */
import { styleText } from 'node:util';
import type { Status } from '../admin/status.ts';
import { reportLine } from '../resync/resync-screen.ts';
import { ago, bytes, count, duration, moment } from './words.ts';

interface Face {
  colour: Parameters<typeof styleText>[0];
  says: string;
}

const localFace = 'your work is kept here and will be sent';

/** One word, one colour and one sentence for each state. Local Mode is grey, not red: nothing is wrong. */
const faces: Record<Status['state'], Face> = {
  ONLINE: { colour: 'green', says: 'the cloud serves this campus' },
  SUSPECT: { colour: 'yellow', says: 'the cloud did not answer; asking again' },
  LOCAL: { colour: 'gray', says: `this box serves the campus; ${localFace}` },
  RECOVERING: { colour: 'cyan', says: 'the cloud answers again; making sure that it lasts' },
  CATCHING_UP: { colour: 'cyan', says: 'sending and fetching what happened meanwhile' },
};

export interface ScreenOptions {
  nowMs: number;
  colour: boolean;
}

export function statusScreen(status: Status, { nowMs, colour }: ScreenOptions): string {
  const paint = (style: Face['colour'], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const face = faces[status.state];
  const since = `since ${moment(status.since, nowMs)} (${duration((nowMs - Date.parse(status.since)) / 1_000)})`;
  const dim = (text: string) => paint('dim', text);
  const rows: [string, string][] = [
    ['Serving', serving(status)],
    ...trust(status, paint),
    ...certificate(status, paint),
    ['To send', pending(status)],
    [
      'Last sync',
      `sent ${ago(status.sync.lastPushAt, nowMs)}, received ${ago(status.sync.lastPullAt, nowMs)}`,
    ],
    ['To decide', decisions(status, paint)],
    ...seeding(status),
    ...proof(status, nowMs, paint),
    ['Schema', schema(status, paint)],
    ...capture(status, paint),
    ...room(status, paint),
    ...backups(status, paint),
    ...time(status, paint),
    ...status.link.probes.map((probe, index): [string, string] => [
      index === 0 ? 'Link' : '',
      probeLine(probe, paint),
    ]),
    ...linkNotes(status).map((note, index): [string, string] => [
      index === 0 && status.link.probes.length === 0 ? 'Link' : '',
      dim(note),
    ]),
    ...wayBack(status, nowMs),
  ];
  return [
    '',
    `  ${paint(face.colour, '●')} ${paint([face.colour, 'bold'].flat() as Face['colour'], status.state)}  ${since}`,
    `    ${face.says}`,
    '',
    ...rows.map(([name, text]) => `  ${dim(name.padEnd(11))} ${text}`),
    '',
  ].join('\n');
}

type Paint = (style: Face['colour'], text: string) => string;

function serving({ campus, policy, gateway }: Status): string {
  const from = { cloud: 'from the cloud', box: 'from this box', nobody: 'nobody can be served' }[
    gateway.site
  ];
  const held = gateway.heldWrites > 0 ? `, ${count(gateway.heldWrites, 'write')} held for a moment` : '';
  return `campus ${campus}, ${from} (policy ${policy})${held}`;
}

/** Said only while the cloud does not take this box for the campus's. */
function trust({ trust: { state, problem, fingerprint } }: Status, paint: Paint): [string, string][] {
  if (problem === null) return [];
  const colour = state === 'revoked' || state === 'unknown' ? 'red' : 'yellow';
  const kept = 'Nothing is sent or fetched meanwhile, and nothing is lost.';
  const key = fingerprint === null ? '' : ` (this box: ${fingerprint})`;
  return [['Trust', `${paint(colour, problem)} ${kept}${key}`]];
}

/** Said while there is time to renew it. */
function certificate({ certificate: shown }: Status, paint: Paint): [string, string][] {
  const problem = shown?.problem ?? null;
  return problem === null ? [] : [['Certificate', paint('yellow', problem)]];
}

/** Nothing of a box that makes none. */
function backups({ backup }: Status, paint: Paint): [string, string][] {
  if (backup === null) return [];
  const { problem, rpoSeconds, alarms } = backup;
  if (problem !== null) return [['Backups', paint('red', `they do not run: ${problem}`)]];
  const held =
    rpoSeconds === null
      ? paint('yellow', 'nothing could be brought back yet')
      : `both regions have all but the last ${duration(rpoSeconds)}`;
  return [['Backups', held], ...alarms.map((alarm): [string, string] => ['', paint('yellow', alarm)])];
}

function pending({ sync }: Status): string {
  if (sync.pendingTransactions === 0) return 'nothing; everything is acknowledged by the cloud';
  const oldest =
    sync.oldestPendingSeconds === null ? '' : `, the oldest ${duration(sync.oldestPendingSeconds)} old`;
  return `${count(sync.pendingTransactions, 'transaction')}, ${bytes(sync.pendingBytes)}${oldest}`;
}

function decisions({ sync }: Status, paint: Paint): string {
  if (sync.conflictsOpen === 0 && sync.parked === 0) return 'nothing';
  const parts = [count(sync.conflictsOpen, 'open conflict')];
  if (sync.parked > 0) parts.push(`${count(sync.parked, 'transaction')} parked`);
  return paint('yellow', parts.join(', '));
}

function seeding({ sync }: Status): [string, string][] {
  if (sync.seeding) {
    const { table, tablesDone, tablesTotal, rows } = sync.seeding;
    const text = `table ${tablesDone + 1} of ${tablesTotal} (${table}), ${count(rows, 'row')} so far`;
    return [['First data', text]];
  }
  return sync.ready ? [] : [['First data', 'not here yet: this box cannot serve without the cloud']];
}

/** How it stands with the equality of both sides; nothing before the first proof. */
function proof({ sync }: Status, nowMs: number, paint: Paint): [string, string][] {
  const lines: [string, string][] = [];
  if (sync.resync) lines.push(['Resync', reportLine(sync.resync)]);
  if (sync.proof === null) return lines;
  const { at, equal, remaining, differences } = sync.proof;
  const repaired = `${count(differences, 'row')} differed and were repaired`;
  const left = `${count(remaining, 'row')} still differ: \`skooly-edge resync --plan\` shows where`;
  const found = equal ? 'every row equal in the cloud' : remaining === 0 ? repaired : paint('yellow', left);
  return [...lines, ['Compared', `${ago(at, nowMs)}, ${found}`]];
}

function schema({ sync: { schema: at } }: Status, paint: Paint): string {
  const { number, cloudNumber, problem, kept } = at;
  const here = number === null ? 'not known' : `number ${number}`;
  const cloud = cloudNumber === null ? 'the cloud was not asked yet' : `the cloud at ${cloudNumber}`;
  const behind = kept === 0 ? '' : `; ${count(kept, 'value')} of the cloud kept for later`;
  const line = `${here}, ${number === cloudNumber ? 'as in the cloud' : cloud}${behind}`;
  return problem === null ? line : `${line}. ${paint('yellow', problem)}`;
}

function capture({ sync }: Status, paint: Paint): [string, string][] {
  return sync.captureProblem === null ? [] : [['Not read', paint('red', sync.captureProblem)]];
}

/** Said only when there is something to do. */
function room({ disk, sync }: Status, paint: Paint): [string, string][] {
  const lines: [string, string][] = [];
  if (disk.problem !== null) {
    const free = disk.freeBytes === null ? '' : ` (${bytes(disk.freeBytes)} free in ${disk.folder})`;
    lines.push(['Disk', paint(disk.state === 'REFUSE' ? 'red' : 'yellow', `${disk.problem}${free}`)]);
  }
  if (sync.logBytes > sync.logBudgetBytes) {
    const text = `${bytes(sync.logBytes)}, more than its ${bytes(sync.logBudgetBytes)}: what is not sent yet is never removed`;
    lines.push(['Log', paint('yellow', text)]);
  }
  for (const problem of sync.sequenceProblems) lines.push(['Keys', paint('yellow', problem)]);
  return lines;
}

/** A clock that is off is corrected in what is sent; people who read this box's own times should know. */
function time({ clock }: Status, paint: Paint): [string, string][] {
  if (!clock.trusted || clock.offsetMs === null) {
    const says = 'not compared with the cloud since the start; times are settled when it answers';
    return [['Clock', paint('yellow', says)]];
  }
  if (Math.abs(clock.offsetMs) < 2_000) return [];
  const way = clock.offsetMs > 0 ? 'behind' : 'ahead of';
  const off = `${duration(Math.abs(clock.offsetMs) / 1_000)} ${way} the cloud's`;
  return [['Clock', paint('yellow', `${off}; what is sent is dated rightly all the same`)]];
}

function probeLine(
  { kind, url, ok, rttMs, problem }: Status['link']['probes'][number],
  paint: Paint,
): string {
  const whom = `${kind === 'signed' ? 'relay' : 'Skooly'} ${url}`;
  const took = rttMs === null ? '' : ` in ${Math.round(rttMs)} ms`;
  return ok ? `${paint('green', '✓')} ${whom}${took}` : `${paint('red', '✗')} ${whom}: ${problem}`;
}

function linkNotes({ state, link }: Status): string[] {
  const notes: string[] = state === 'ONLINE' ? [] : [...link.reasons];
  if (link.lossPercent > 0) notes.push(`${link.lossPercent} % of the last probes lost`);
  if (link.holdDownLeftMs > 0) {
    notes.push(
      `going back is held down for another ${duration(link.holdDownLeftMs / 1_000)}: the link fell before`,
    );
  }
  return notes;
}

function wayBack({ gateway: { lastFailback } }: Status, nowMs: number): [string, string][] {
  if (!lastFailback) return [];
  const { outcome, at, pauseMs, reason } = lastFailback;
  const pause = pauseMs === null ? '' : `, writes waited ${pauseMs} ms`;
  const text = outcome === 'done' ? `${ago(at, nowMs)}${pause}` : `put off ${ago(at, nowMs)}: ${reason}`;
  return [['Way back', text]];
}
