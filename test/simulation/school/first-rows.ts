/** What every campus begins with, the same on both sides: the first copy is not simulated. */
import type { Row } from '@skooly-edge/sync-protocol';

export interface FirstRow {
  table: string;
  row: Row;
  /** Null: every campus has it. */
  campus: string | null;
}

const klasses = 2;
const pupils = 4;

export function firstRows(campuses: readonly string[]): FirstRow[] {
  const rows: FirstRow[] = [];
  for (const campus of campuses) {
    const add = (table: string, row: Row) => rows.push({ table, campus, row: { campus, ...row } });
    for (let k = 1; k <= klasses; k++) add('public.klass', { id: `${campus}-k${k}`, name: `${k}e` });
    for (let p = 1; p <= pupils; p++) {
      const pupil_id = `${campus}-p${p}`;
      const names = { name: `t:first.${pupil_id}n`, phone: `t:first.${pupil_id}f` };
      const matricule = p <= 2 ? `M-${campus}-${p}` : null;
      add('public.pupil', {
        id: pupil_id,
        klass_id: `${campus}-k${1 + (p % klasses)}`,
        ...names,
        level: '0',
        matricule,
        updated_by: 'cloud',
      });
      if (p <= 2)
        rows.push({
          table: 'public.mark',
          campus,
          row: {
            pupil_id,
            assessment: 'a1',
            value: '5',
            most: '20',
            remark: `t:first.${pupil_id}m`,
          },
        });
    }
  }
  for (const campus of campuses) {
    const row = {
      id: `${campus}-purse`,
      campus,
      balance: '0',
      lowest: '1000',
      highest: '1000',
      labels: '[]',
    };
    rows.push({ table: 'public.purse', campus, row });
  }
  for (const id of ['n1', 'n2'])
    rows.push({
      table: 'public.notice',
      campus: null,
      row: { id, title: id, body: `t:first.${id}`, level: '0' },
    });
  rows.push({ table: 'public.setting', campus: null, row: { id: 's1', value: 't:first.s1' } });
  return rows;
}
