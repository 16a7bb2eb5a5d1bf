/** Entries of the inbox as a person reads them in a terminal. Pure: entries and the language go in, lines come out. */
import { conflictTable } from '../../sync-map/sync-map.ts';
import type { Row, Value } from '../../transaction/transaction.ts';
import type { CarriedOut, EntryReport } from '../carry-out.ts';
import { standingDecision } from '../decision.ts';
import { type ConflictEntry, questionOf } from '../entry.ts';
import type { Language } from '../errors.ts';
import type { ConflictPage } from './inbox.ts';
import { actionWords, kindWords, phrases, statusWords } from './words.ts';

/** Longer values are cut; `--json` gives them whole. */
const maxCellCharacters = 36;

/** A key has to be told apart. */
const maxKeyCharacters = 100;

/** Columns of a row are shown up to this many. */
const maxShownColumns = 12;

export function pageScreen({ conflicts, total, open, next }: ConflictPage, language: Language): string {
  const say = phrases[language];
  if (total === 0) return `${say.none}\n`;
  const entries = conflicts.map((entry) => entryLines(entry, language).join('\n'));
  const more = next === null ? [] : [say.more(next)];
  return `${[say.conflicts(total, open), ...entries, ...more].join('\n\n')}\n`;
}

export function entryScreen(entry: ConflictEntry, language: Language, program: string): string {
  const { explanation } = kindWords[entry.kind][language];
  const [title = '', ...rest] = entryLines(entry, language);
  return `${[title, `  ${explanation}`, ...rest, ...pastLines(entry, language), ...choices(entry, language, program)].join('\n')}\n`;
}

function entryLines(entry: ConflictEntry, language: Language): string[] {
  const say = phrases[language];
  const { id, status, kind, table, key, campus, detail, rule } = entry;
  const who = (by: string | null, at: string | null) =>
    [by ?? say.unknownBy, ...(at ? [when(at, language)] : [])].join(', ');
  const lines = [
    `${id}  ${statusWords[status][language]}  ${kindWords[kind][language].title} (${kind})`,
    `  ${table}  ${short(keyText(key), maxKeyCharacters)}`,
    `  ${say.campus} ${campus}${say.colon} ${who(entry.campusBy, entry.campusAt)}`,
  ];
  if (questionOf(entry) !== 'parked') {
    lines.push(`  ${say.cloud}${say.colon} ${who(entry.cloudBy, entry.cloudAt)}`);
    const rules = Object.entries(rule).map(([column, policy]) =>
      column === '*' ? policy : `${column} ${policy}`,
    );
    lines.push(`  ${say.rule}${say.colon} ${rules.join(', ')}`);
  }
  if (detail) lines.push(`  ${say.reason}${say.colon} ${detail}`);
  if (table === conflictTable) lines.push(`  ${say.about(key.id ?? '')}`);
  lines.push(
    ...sideBySide(entry, language),
    ...parkedLines(entry, language),
    ...decisionLine(entry, language),
  );
  return lines;
}

/** Before, both sides and what was kept, one line for each column that differs. */
function sideBySide(entry: ConflictEntry, language: Language): string[] {
  const say = phrases[language];
  const { before, campusValue, cloudValue, result } = entry;
  const sides = [before, campusValue, cloudValue, result];
  const aboutRow = questionOf(entry) === 'exists';
  const columns = shownColumns(entry);
  const lines = [[say.column, say.before, say.campus, say.cloud, say.kept]];
  if (aboutRow) lines.push([say.row, ...sides.map((side) => (side ? say.exists : say.deleted))]);
  for (const column of columns)
    lines.push([column, ...sides.map((side) => (side && column in side ? cell(side[column] ?? null) : ''))]);
  return lines.length > 1 ? table(lines) : [];
}

function shownColumns(entry: ConflictEntry): string[] {
  const { campusValue, cloudValue, before } = entry;
  if (entry.kind === 'update_missing') return Object.keys(campusValue ?? {}).slice(0, maxShownColumns);
  if (questionOf(entry) === 'parked') return [];
  const all = Object.keys({ ...campusValue, ...cloudValue });
  const differing = all.filter(
    (column) => entry.kind !== 'delete_differs' || before?.[column] !== cloudValue?.[column],
  );
  return differing.slice(0, maxShownColumns);
}

function parkedLines(entry: ConflictEntry, language: Language): string[] {
  if (questionOf(entry) !== 'parked') return [];
  const say = phrases[language];
  if (!entry.parked)
    return entry.campusValue ? [`  ${say.waits}${say.colon} ${short(rowText(entry.campusValue), 100)}`] : [];
  return entry.parked.map(
    ({ op, table: name, key, after, before }, index) =>
      `  ${say.change} ${index}${say.colon} ${op} ${name} ${short(rowText({ ...key, ...(after ?? before) }), 100)}`,
  );
}

function decisionLine(entry: ConflictEntry, language: Language): string[] {
  const standing = standingDecision(entry.decision);
  if (!standing || entry.status !== 'decided') return [];
  const { decidedBy, decidedAt } = entry;
  const at = decidedAt ? when(decidedAt, language) : '';
  return [`  ${phrases[language].decidedBy(decidedBy ?? '', at, actionWords[standing.action][language])}`];
}

function pastLines({ decision }: ConflictEntry, language: Language): string[] {
  const say = phrases[language];
  return (decision?.history ?? []).map(({ decision: past, decidedBy, ended, endedBy, endedAt }) => {
    const action = `${actionWords[past.action][language]} (${decidedBy ?? say.unknownBy})`;
    if (ended === 'refused')
      return `  ${say.refused(decidedBy ?? say.unknownBy, actionWords[past.action][language])}`;
    return `  ${say.undone(endedBy, when(endedAt, language), action)}`;
  });
}

/** Which commands can decide it. */
function choices(entry: ConflictEntry, language: Language, program: string): string[] {
  const question = questionOf(entry);
  if (entry.table === conflictTable || question === 'nothing') return [];
  const command = (words: string) => `    ${program} ${words}`;
  if (entry.status === 'decided') return ['', command(`undo ${entry.id}`)];
  const column = Object.keys(entry.campusValue ?? entry.cloudValue ?? {})[0] ?? 'column';
  const ways =
    question === 'parked' ? ['--retry', '--drop', `--set ${column}=…`] : ['--keep campus', '--keep cloud'];
  if (question === 'values') ways.push(`--set ${column}=…`);
  return [
    '',
    `  ${phrases[language].choose}${phrases[language].colon}`,
    ...ways.map((way) => command(`decide ${entry.id} ${way}`)),
  ];
}

/** What was written, or would be, entry by entry. */
export function reportScreen({ entries }: CarriedOut, language: Language): string {
  return entries.map((report) => `${reportLines(report, language).join('\n')}\n`).join('');
}

function reportLines(report: EntryReport, language: Language): string[] {
  const say = phrases[language];
  const { id, write, problem, changedSince, standing, inCloud } = report;
  const title = `${id}  ${report.table} ${short(keyText(report.key), maxKeyCharacters)}`.trimEnd();
  if (problem) {
    const { message, advice } = problem.in(language);
    return [title, `  ✗ ${message} ${advice}`];
  }
  const lines = [title];
  if (changedSince)
    lines.push(`  ! ${say.nowStands}${say.colon} ${standing ? short(rowText(standing), 100) : say.noRow}`);
  if (inCloud) lines.push(`  ${say.inCloud}`);
  else if (!write) lines.push(`  ${say.nothingWritten}`);
  else {
    const changes = Object.entries(write.after ?? write.before ?? {}).map(([column, value]) =>
      write.op === 'update'
        ? `${column} ${cell(write.before?.[column] ?? null)} → ${cell(value)}`
        : `${column}: ${cell(value)}`,
    );
    lines.push(`  ${say.willWrite[write.op]} ${short(changes.join(', '), 140)}`);
  }
  return lines;
}

function table(lines: string[][]): string[] {
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  return lines.map((line) =>
    `    ${line.map((text, i) => text.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd(),
  );
}

function when(iso: string, language: Language): string {
  return new Date(iso).toLocaleString(language === 'fr' ? 'fr-FR' : 'en-GB');
}

function cell(value: Value): string {
  return value === null ? 'null' : short(value.replaceAll(/\s+/g, ' '));
}

function keyText(key: Row): string {
  return Object.entries(key)
    .map(([column, value]) => `${column} ${value}`)
    .join(', ');
}

function rowText(row: Row): string {
  return Object.entries(row)
    .map(([column, value]) => `${column}: ${cell(value)}`)
    .join(', ');
}

function short(text: string, most = maxCellCharacters): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
