import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, Row, Transaction } from '../transaction/transaction.ts';
import { toBlock, transactionsOf } from './block.ts';
import { encodeBlock, openBlock } from './block-code.ts';
import { decodeColumn, encodeColumn } from './column-code.ts';
import { formatMicros, parseMicros } from './micros.ts';
import { UuidReader, UuidWriter } from './uuid-pool.ts';

const maxBytes = 1024 * 1024;

/** Texts as the columns of a school hold them, and such as look like them but are not. */
const uuid = fc.uuid();
const time = fc.integer({ min: 0, max: 4_102_444_800_000_000 }).map((micros) => `${formatMicros(micros)}+00`);
const text = fc.oneof(
  uuid,
  uuid.map((value) => value.toUpperCase()),
  time,
  fc.constantFrom(
    '2026-02-30 10:00:00',
    '2026-01-01 10:00:00.120000',
    '2026-01-01 10:00:00.12',
    '0001-01-01 00:00:00',
    'infinity',
    '2026-01-01 24:00:00+00',
    '12345-01-01 00:00:00+00',
  ),
  fc.integer().map(String),
  fc.nat(99).map((n) => `MVAN-B-${n}`),
  fc.nat(99).map((n) => `2376${String(n).padStart(8, '0')}`),
  fc.constantFrom(
    '007',
    '-10',
    '1.50',
    '-0',
    '',
    'NaN',
    '1e3',
    '99999999999999999999',
    'é\u0000"\\',
    '__proto__x',
  ),
  fc.string({ unit: 'grapheme' }),
);
/** A column holds much of one kind, or anything. */
const column = (length: number) =>
  fc
    .constantFrom(
      text,
      uuid,
      time,
      fc.nat(500).map(String),
      fc.nat(500).map((n) => `R-${n}`),
      fc.constant('a'),
    )
    .chain((kind) => fc.array(fc.option(kind, { freq: 10 }), { minLength: length, maxLength: length }));

describe('a column', () => {
  it('comes out as it went in, in whatever form it was written', () => {
    fc.assert(
      fc.property(
        fc.nat(40).chain((n) => fc.tuple(column(n), column(n))),
        ([first, second]) => {
          const writer = new UuidWriter();
          const codes = [encodeColumn(first, [], writer), encodeColumn(second, [first], writer)];
          const reader = new UuidReader(writer.bytes());
          const earlier: (readonly (string | null)[])[] = [];
          for (const code of codes) earlier.push(decodeColumn(code, first.length, earlier, reader));
          expect(earlier).toEqual([first, second]);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('is written in the form that suits it', () => {
    const forms = (values: (string | null)[], earlier: (string | null)[][] = []) =>
      encodeColumn(values, earlier, new UuidWriter())[0];
    expect(forms(['x', 'x'])).toBe('c');
    expect(forms(['x', 'y'], [['x', 'y']])).toBe('k');
    expect(forms(['7935fc6c-58b0-d5dc-afac-0486bb341732', null])).toBe('u');
    expect(forms(['2026-11-23 14:08:40.030324+00', '2026-11-23 14:08:40.03+00'])).toBe('t');
    expect(forms(['MVAN-9', 'MVAN-10', 'MVAN-11'])).toBe('n');
    expect(forms(['absent', 'late', 'late', 'absent', 'late'])).toBe('d');
    expect(forms(['Ngo', 'Bassé'])).toBe('v');
  });
});

describe('microseconds', () => {
  it('are told from every text that Postgres prints of a time since 1970, and give it back', () => {
    for (const said of ['1970-01-01 00:00:00', '2026-11-23 23:59:59.999999', '2024-02-29 12:00:00.5'])
      expect(formatMicros(parseMicros(said) as number)).toBe(said);
  });

  it('are not told from anything else', () => {
    for (const said of [
      '1969-12-31 23:59:59',
      '2026-02-30 10:00:00',
      '2026-11-23',
      '2026-11-23 10:00',
      'infinity',
      '',
    ])
      expect(parseMicros(said)).toBeNull();
  });
});

const names = ['id', 'name', 'campus id', 'é"'];
const row = fc
  .uniqueArray(fc.constantFrom(...names), { maxLength: 4 })
  .chain((some) =>
    fc
      .tuple(...some.map(() => fc.option(text)))
      .map((values): Row => Object.fromEntries(some.map((name, i) => [name, values[i] ?? null]))),
  );
const change = fc
  .record({
    table: fc.constantFrom('public.pupil', 'public.mark'),
    key: text.map((id): Row => ({ id })),
    rows: fc.tuple(row, row),
    op: fc.constantFrom('insert', 'update', 'delete'),
    by: fc.option(fc.option(text), { nil: undefined }),
  })
  .map(({ table, key, rows, op, by }): Change => {
    const [before, after] = [op === 'insert' ? null : rows[0], op === 'delete' ? null : rows[1]];
    return { table, key, op: op as Change['op'], before, after, ...(by !== undefined && { by }) };
  });
const micros = fc.nat(Number.MAX_SAFE_INTEGER);
const head = fc.record(
  {
    committedAt: micros,
    boot: fc.constantFrom('one.1', 'two.1'),
    mono: micros,
    more: fc.constant(true),
    truncated: fc.array(fc.constantFrom('public.pupil', 'public.mark'), { minLength: 1 }),
    changes: fc.array(change, { maxLength: 4 }),
  },
  { requiredKeys: ['committedAt', 'changes'] },
);
const transactions = fc
  .tuple(fc.integer({ min: 1, max: 1e9 }), fc.array(head, { minLength: 1, maxLength: 12 }))
  .map(([first, heads]) => heads.map((one, i) => ({ seq: first + i, ...one }) as Transaction));

describe('a block', () => {
  it('gives back its transactions exactly, through memory and through bytes', async () => {
    await fc.assert(
      fc.asyncProperty(transactions, async (sent) => {
        const block = toBlock(sent);
        expect(transactionsOf(block)).toEqual(sent);
        const received = await openBlock(await encodeBlock(block), maxBytes);
        expect(received.heads).toEqual(block.heads);
        expect(transactionsOf(received.unpack())).toEqual(sent);
      }),
      { numRuns: 300 },
    );
  });

  it('holds a UUID once, however many rows refer to it', async () => {
    const pupil = '7935fc6c-58b0-d5dc-afac-0486bb341732';
    const marks = Array.from(
      { length: 500 },
      (_, i): Change => ({
        table: 'public.mark',
        key: { id: String(i) },
        op: 'insert',
        before: null,
        after: { id: String(i), pupil_id: pupil, other: i % 2 ? pupil : null },
      }),
    );
    const bytes = await encodeBlock(toBlock([{ seq: 1, committedAt: 1, changes: marks }]));
    expect(bytes.length).toBeLessThan(1_200);
  });

  it('that is spoilt anywhere is refused, or says the same', async () => {
    const [sent = []] = fc.sample(transactions, { numRuns: 1, seed: 5 });
    const bytes = await encodeBlock(toBlock(sent));
    for (let at = 0; at < bytes.length; at++) {
      const spoilt = Buffer.from(bytes);
      spoilt[at] = (spoilt[at] as number) ^ 0x20;
      const outcome = await openBlock(spoilt, maxBytes)
        .then((block) => transactionsOf(block.unpack()))
        .catch(() => null);
      if (outcome) expect(outcome).toEqual(sent);
    }
  });
});
