/** Every campus's rows are the cloud's rows of that campus, value by value, conflicts included. */
import type { Row } from '@skooly-edge/sync-protocol';
import { ownerOf, schoolCatalog } from '../school/schema.ts';
import type { World } from './check.ts';

export function convergence({ cloud, campuses, drifts }: World): string[] {
  const problems = drifts.map((drift) => `drifted apart: ${drift}`);
  const parentOf = (table: string, id: string) =>
    cloud.table(table).rows.get(`${table} ${JSON.stringify([id])}`)?.row;
  for (const { name: campus, database } of campuses) {
    for (const table of schoolCatalog.tables.values()) {
      const { name } = table;
      const here = database.table(name).rows;
      const there = cloud.table(name).rows;
      const ids = new Set([...here.keys(), ...there.keys()]);
      for (const id of ids) {
        const row = there.get(id)?.row ?? null;
        const owner = row && ownerOf(table, row, parentOf);
        const wanted = owner === null || owner === campus ? row : null;
        const difference = differenceOf(wanted, here.get(id)?.row ?? null);
        if (difference) problems.push(`differs at ${campus}: ${id} ${difference}`);
      }
    }
  }
  return problems;
}

function differenceOf(cloud: Row | null, campus: Row | null): string | null {
  if (!cloud && !campus) return null;
  if (!cloud) return `is only at the campus: ${JSON.stringify(campus)}`;
  if (!campus) return `is only in the cloud: ${JSON.stringify(cloud)}`;
  const columns = Object.keys(cloud).filter((column) => cloud[column] !== campus[column]);
  if (columns.length === 0) return null;
  return columns.map((column) => `${column}: cloud ${cloud[column]}, campus ${campus[column]}`).join('; ');
}
