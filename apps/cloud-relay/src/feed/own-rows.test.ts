import { authorMessage, type Catalog, type Table } from '@skooly-edge/sync-protocol';
import { expect, test } from 'vitest';
import { ownRows } from './own-rows.ts';

function table(name: string, scope: string | null, parent?: Table): Table {
  const through = parent ? { column: 'parent_id', parent, parentColumn: 'id' } : null;
  return { name, rule: { scope }, through } as unknown as Table;
}

const pupil = table('public.pupil', 'campus_id');
const note = table('public.note', null, pupil);
const tables = [
  pupil,
  note,
  table('public.line', null, note),
  table('public.mark', 'campus_id'),
  table('public.subject', null),
];
const catalog = { current: { tables: new Map(tables.map((one) => [one.name, one])) } as unknown as Catalog };

const isApply = (origin: string) => origin === 'apply';
const said = (content: object) => [{ prefix: authorMessage, content: JSON.stringify(content) }];
const own = (origin: string | null, messages = said({ campus: 'mvan', own: true })) =>
  ownRows({ origin, messages }, isApply, catalog);

test('rows that only their author sees are passed over, those of everybody and those that tell whose others are stay', () => {
  const isPassedOver = own('apply');
  const passed = [...catalog.current.tables.keys(), 'public.unknown'].filter((name) => isPassedOver?.(name));
  expect(passed).toEqual(['public.mark']);
});

test('nothing is passed over where ingest has not vouched for the rows', () => {
  expect(own('apply', said({ campus: 'mvan' }))).toBeNull();
  expect(own('apply', [])).toBeNull();
  expect(own('of somebody else')).toBeNull();
  expect(own(null)).toBeNull();
});
