import { describe, expect, test } from 'vitest';
import type { ConflictEntry } from '../entry.ts';
import { DecisionError } from '../errors.ts';
import { entryScreen, pageScreen, reportScreen } from './screen.ts';

const entry = (changed: Partial<ConflictEntry> = {}): ConflictEntry => ({
  id: '0198bbfa-4d80-8593-8987-1744a7d36247',
  campus: 'mvan',
  kind: 'update_differs',
  table: 'public.pupil',
  key: { id: '1' },
  before: { phone: '237600' },
  campusValue: { phone: '237601' },
  cloudValue: { phone: null },
  result: { phone: null },
  rule: { phone: 'newest' },
  detail: null,
  parked: null,
  status: 'settled',
  campusAt: '2026-11-23T07:00:00Z',
  cloudAt: null,
  campusBy: 'prof.mvan',
  cloudBy: null,
  campusEpoch: 'e',
  campusSeq: 1,
  createdAt: '2026-11-23T07:00:01Z',
  decidedAt: null,
  decidedBy: null,
  decision: null,
  ...changed,
});

const shown = (changed: Partial<ConflictEntry>, language: 'en' | 'fr' = 'en') =>
  entryScreen(entry(changed), language, 'skooly-edge');

describe('a conflict on the screen', () => {
  test('stands side by side, with what can be typed to decide it', () => {
    const screen = shown({});
    expect(screen).toMatch(/column +before +campus +cloud +kept/);
    expect(screen).toMatch(/phone +237600 +237601 +null +null/);
    expect(screen).toContain('Rule: phone newest');
    expect(screen).toContain('skooly-edge decide 0198bbfa-4d80-8593-8987-1744a7d36247 --keep campus');
  });

  test('says which side has no row', () => {
    const whole = { id: '1', name: 'Abena', phone: '237600' };
    const screen = shown(
      {
        kind: 'delete_differs',
        before: whole,
        campusValue: null,
        cloudValue: { ...whole, phone: '237602' },
        result: null,
        rule: { '*': 'campus' },
      },
      'fr',
    );
    expect(screen).toMatch(/\(fiche\) +\(présente\) +\(supprimée\) +\(présente\) +\(supprimée\)/);
    expect(screen).toMatch(/phone +237600 +237602/);
    expect(screen).not.toContain('Abena');
  });

  test('cuts long values, also over several lines', () => {
    const screen = shown({ campusValue: { phone: `a\nb${'c'.repeat(5_000)}` } });
    expect(screen.split('\n').every((line) => line.length < 160)).toBe(true);
    expect(screen).toContain('a bccc');
  });

  test('that was decided says by whom, what was undone before, and how to undo it', () => {
    const screen = shown({
      status: 'decided',
      decidedBy: 'directrice',
      decidedAt: '2026-11-23T07:10:00Z',
      decision: {
        action: 'campus',
        history: [
          {
            decision: { action: 'cloud' },
            decidedAt: '2026-11-22T07:10:00Z',
            decidedBy: 'censeur',
            ended: 'undone',
            endedAt: '2026-11-22T08:10:00Z',
            endedBy: 'proviseur',
          },
        ],
      },
    });
    expect(screen).toMatch(/Decided by directrice, .*: the campus's stands/);
    expect(screen).toMatch(/Undone by proviseur, .*: the cloud's stands \(censeur\)/);
    expect(screen).toContain('skooly-edge undo 0198bbfa');
  });

  test('about a decision points to the conflict that was decided twice', () => {
    const screen = shown({ table: 'sync.conflict', key: { id: 'abc' } });
    expect(screen).toContain('The conflict abc was decided at both sites');
    expect(screen).not.toContain('decide 0198');
  });

  test('an empty inbox says so', () => {
    const page = { conflicts: [], total: 0, open: 0, next: null };
    expect(pageScreen(page, 'en')).toBe('No conflicts.\n');
    expect(pageScreen(page, 'fr')).toBe('Aucun conflit.\n');
  });
});

describe('what is written', () => {
  const report = {
    id: 'abc',
    kind: 'update_differs',
    table: 'public.pupil',
    key: { id: '1' },
    status: 'decided' as const,
    write: null,
    changedSince: false,
    standing: null,
    inCloud: false,
    problem: null,
  };

  test('is said entry by entry, with what changed since and what is in the way', () => {
    const write = { op: 'update' as const, before: { mark: '14' }, after: { mark: '12' } };
    const problem = new DecisionError('TABLE_UNKNOWN', { table: 'public.pupil' });
    const entries = [
      { ...report, write, changedSince: true, standing: { mark: '14' } },
      report,
      { ...report, inCloud: true },
      { ...report, problem },
    ];
    const screen = reportScreen({ written: false, entries }, 'en');
    expect(screen).toContain('! It has changed since; now: mark: 14\n  writes mark 14 → 12');
    expect(screen).toContain('nothing has to be written');
    expect(screen).toContain('the cloud carries it out');
    expect(screen).toContain('✗ The table public.pupil is not synced any more.');
  });
});
