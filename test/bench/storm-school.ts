/**
 * What a thousand campuses wrote while they were cut off: each the same insert-heavy school mix over rows of its own, made anew
 * from its number whenever it is asked for, so that a log of any length takes no memory.
 */
import { createHash } from 'node:crypto';
import { type Change, encodeTransaction, type Row } from '@skooly-edge/sync-protocol';
import { tables } from './school-mix.ts';

/** Each is touched by the same kind of transaction again and again, so that what stood there before is known. */
const pupils = 20;

export const campusName = (index: number) => `campus-${String(index).padStart(4, '0')}`;

/** Rows that the cloud begins with: the pupils of all campuses. */
export const stormSeed = (campuses: number) => `
  INSERT INTO pupil
  SELECT (lpad(to_hex(c), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'campus-' || lpad(c::text, 4, '0'),
         'P' || n, 'NGONO ' || n, 'Marie ' || n, '237600000000', 'directeur'
  FROM generate_series(0, ${campuses - 1}) c, generate_series(0, ${pupils - 1}) n;
  ANALYZE;`;

/** The log of one campus, with what push asks of one. */
export class StormLog {
  readonly epoch: string;
  readonly lastSeq: number;
  readonly #campus: number;
  readonly #begunAt: number;
  readonly #onAcknowledged: () => void;
  #acknowledged = 0;

  /** @param begunAt Microseconds since 1970: when the first transaction was committed. */
  constructor(campus: number, transactions: number, begunAt: number, onAcknowledged: () => void) {
    this.epoch = `storm-${campus}`;
    this.lastSeq = transactions;
    this.#campus = campus;
    this.#begunAt = begunAt;
    this.#onAcknowledged = onAcknowledged;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  read(seq: number, maxBytes: number, maxTransactions: number) {
    const lines: string[] = [];
    let bytes = 0;
    while (seq + lines.length < this.lastSeq && lines.length < maxTransactions) {
      const line = this.#line(seq + lines.length + 1);
      if (lines.length > 0 && bytes + line.length > maxBytes) break;
      lines.push(line);
      bytes += line.length;
    }
    return lines.length === 0 ? null : { lines, bytes, firstSeq: seq + 1, lastSeq: seq + lines.length };
  }

  acknowledge(seq: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, seq);
    this.#onAcknowledged();
  }

  onAppend(): () => void {
    return () => {};
  }

  #line(seq: number): string {
    return encodeTransaction({
      seq,
      committedAt: this.#begunAt + seq,
      changes: changesOf(this.#campus, seq),
    });
  }
}

/** The rows of a campus once all its transactions are applied, as `printOf` has them. */
export function expectedPrint(campus: number, transactions: number): string {
  const rows = new Map<string, Row>();
  for (let n = 0; n < pupils; n++) rows.set(`public.pupil ${id(campus, 0, n)}`, pupilRow(campus, n));
  for (let seq = 1; seq <= transactions; seq++) {
    for (const { table, key, after } of changesOf(campus, seq)) {
      const name = `${table} ${key.id}`;
      if (after === null) rows.delete(name);
      else rows.set(name, { ...rows.get(name), ...after });
    }
  }
  const lines = [...rows]
    .map(
      ([name, row]) =>
        `${name} ${Object.keys(row)
          .sort()
          .map((column) => row[column])
          .join('|')}`,
    )
    .sort();
  return createHash('md5').update(lines.join('\n')).digest('hex');
}

/** SQL: of each campus a fingerprint over every row of every table. */
export function printOf(columnsOf: Record<string, readonly string[]>): string {
  const parts = tables.map((table) => {
    const cells = (columnsOf[table] ?? []).toSorted().map((column) => `${column}::text`);
    return `SELECT campus_id, 'public.${table} ' || id || ' ' || concat_ws('|', ${cells.join(', ')}) AS line FROM ${table}`;
  });
  return `SELECT campus_id AS campus, md5(string_agg(line, E'\\n' ORDER BY line COLLATE "C")) AS print
          FROM (${parts.join(' UNION ALL ')}) rows GROUP BY campus_id`;
}

/** Two changes. Of twenty transactions 7 call the roll, 5 enter marks, 3 take a payment, 4 correct, 1 withdraws. */
function changesOf(campus: number, n: number): Change[] {
  const kind = n % pupils;
  if (kind < 7)
    return [insert('attendance', roll(campus, n, 'absent')), insert('attendance', roll(campus, n, 'late'))];
  if (kind < 12) return [insert('mark', mark(campus, n, 'MATH')), insert('mark', mark(campus, n, 'PCT'))];
  if (kind < 15) return [insert('payment', payment(campus, n)), insert('receipt', receipt(campus, n))];
  if (kind === 19) {
    return (['absent', 'late'] as const).map((status) => {
      const before = roll(campus, n - 18, status);
      return {
        table: 'public.attendance',
        key: { id: before.id ?? null },
        op: 'delete',
        before,
        after: null,
      };
    });
  }
  const corrected = mark(campus, n - 8, 'MATH');
  return [
    update(
      'pupil',
      id(campus, 0, kind),
      'guardian_phone',
      n > pupils ? phone(n - pupils) : firstPhone,
      phone(n),
    ),
    update('mark', corrected.id ?? '', 'value', corrected.value ?? '', ((n % 81) / 8).toFixed(2)),
  ];
}

const firstPhone = '237600000000';
const phone = (n: number) => `2377${String(n).padStart(8, '0')}`;

/** @param kind 0: pupil; each other kind of row has a number of its own. */
function id(campus: number, kind: number, n: number): string {
  return `${hex(campus, 8)}-${hex(kind, 4)}-4000-8000-${hex(n, 12)}`;
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

function pupilRow(campus: number, n: number): Row {
  return {
    id: id(campus, 0, n),
    campus_id: campusName(campus),
    matricule: `P${n}`,
    family_name: `NGONO ${n}`,
    given_names: `Marie ${n}`,
    guardian_phone: firstPhone,
    updated_by: 'directeur',
  };
}

function roll(campus: number, n: number, status: 'absent' | 'late'): Row {
  return {
    id: id(campus, status === 'absent' ? 1 : 2, n),
    campus_id: campusName(campus),
    pupil_id: id(campus, 0, (status === 'absent' ? n : n * 7 + 1) % pupils),
    called_at: `2026-01-05 07:${minutes(n)}:00+00`,
    status,
    taken_by: `prof${n % 60}`,
  };
}

function mark(campus: number, n: number, subject: 'MATH' | 'PCT'): Row {
  return {
    id: id(campus, subject === 'MATH' ? 3 : 4, n),
    campus_id: campusName(campus),
    pupil_id: id(campus, 0, (subject === 'MATH' ? n : n * 7 + 1) % pupils),
    subject,
    value: ((n % 77) / 4).toFixed(2),
    entered_by: `prof${n % 60}`,
  };
}

function payment(campus: number, n: number): Row {
  return {
    id: id(campus, 5, n),
    campus_id: campusName(campus),
    pupil_id: id(campus, 0, n % pupils),
    amount: '7500',
    method: 'cash',
    paid_at: `2026-01-05 09:${minutes(n)}:00+00`,
    recorded_by: 'intendant',
  };
}

function receipt(campus: number, n: number): Row {
  return {
    id: id(campus, 6, n),
    campus_id: campusName(campus),
    payment_id: id(campus, 5, n),
    number: `${campusName(campus)}-${n}`,
  };
}

const minutes = (n: number) => String(n % 60).padStart(2, '0');

function insert(table: string, after: Row): Change {
  return { table: `public.${table}`, key: { id: after.id ?? null }, op: 'insert', before: null, after };
}

function update(table: string, row: string, column: string, before: string, after: string): Change {
  const change = { before: { [column]: before }, after: { [column]: after } };
  return { table: `public.${table}`, key: { id: row }, op: 'update', ...change };
}
