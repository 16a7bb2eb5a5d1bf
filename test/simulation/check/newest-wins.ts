/**
 * Where `newest` settled a conflict of a campus with the cloud's own writers, the later of the two values stands, by true time.
 * What it leaves open is a person's to say. Between two campuses it goes by the last transaction of the batch in which the
 * first one came: that is not looked at here.
 */
import { conflictTable, type Row } from '@skooly-edge/sync-protocol';
import { printed } from '../database/schema.ts';
import { tokensOf } from '../history.ts';
import type { World } from './check.ts';

/** Commits that lie closer together than the clocks tell. */
const toleranceUs = 5_000;

/** From a question about time to the commit that it was asked for. */
const longestCommitUs = 10_000_000;

export function newestWins({ cloud, cloudHistory, campuses }: World): string[] {
  const writtenAt = new Map<string, number>();
  for (const { own } of [cloudHistory, ...campuses.map(({ history }) => history)]) {
    for (const { atUs, changes } of own)
      for (const change of changes)
        for (const token of tokensOf(change, 'after')) if (!writtenAt.has(token)) writtenAt.set(token, atUs);
  }
  const moved = movesOf(cloudHistory);
  const problems: string[] = [];
  for (const { changes, atUs } of cloudHistory.commits) {
    // Without the feed a row that the cloud touched counts as the cloud's.
    if (cloud.feedMissed.some((missedUs) => missedUs <= atUs && atUs < missedUs + longestCommitUs)) continue;
    for (const { table, op, whole } of changes) {
      if (table !== conflictTable || op !== 'insert' || whole.kind !== 'update_differs') continue;
      const [campus, there, result] = [whole.campus_value, whole.cloud_value, whole.result].map(rowOf);
      for (const [column, policy] of Object.entries(rowOf(whole.rule))) {
        if (policy !== 'newest' || whole.status === 'open' || !there?.[column]?.startsWith('t:cloud.'))
          continue;
        const [ours, theirs] = [writtenAt.get(campus?.[column] ?? ''), writtenAt.get(there?.[column] ?? '')];
        if (ours === undefined || theirs === undefined || Math.abs(ours - theirs) < toleranceUs) continue;
        const row = `${whole.table_name} ${whole.row_key}`;
        if (moved.get(row)?.some((movedUs) => movedUs > ours)) continue;
        const newest = ours > theirs ? campus?.[column] : there?.[column];
        if (result?.[column] !== newest)
          problems.push(`${row} ${column}: ${result?.[column]} stands, ${newest} is newer`);
      }
    }
  }
  return problems;
}

/** When rows came, went, or changed hands: to their campus that is a change of every column. */
function movesOf({ commits }: World['cloudHistory']): Map<string, number[]> {
  const moves = new Map<string, number[]>();
  for (const { atUs, changes } of commits) {
    for (const { table, key, op, after } of changes) {
      if (op === 'update' && !('campus' in (after ?? {}))) continue;
      const row = `${table} ${printed('jsonb', JSON.stringify(key))}`;
      moves.set(row, [...(moves.get(row) ?? []), atUs]);
    }
  }
  return moves;
}

function rowOf(json: string | null | undefined): Row {
  return json == null ? {} : (JSON.parse(json) as Row);
}
