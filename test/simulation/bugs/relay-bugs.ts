/** Faulty stores of the cloud. Each is the sound one with one thing wrong. */
import {
  type AppliedMessage,
  appliedMessage,
  type Columns,
  type Correction,
  conflictTable,
  type Row,
  rowAt,
} from '@skooly-edge/sync-protocol';
import type { CloudCommit, CloudStore } from '../../../apps/cloud-relay/src/ingest/cloud-store.ts';

type Faulty = (commit: CloudCommit) => CloudCommit;

function withFault(store: CloudStore, faulty: Faulty): CloudStore {
  return { commit: (work) => store.commit((commit) => work(faulty(commit))) };
}

export function cursorOutside(store: CloudStore): CloudStore {
  return {
    async commit(work) {
      let moved: Parameters<CloudCommit['moveCursor']> | null = null;
      const result = await store.commit((commit) => {
        moved = null;
        return work({
          ...commit,
          async moveCursor(...cursor) {
            moved = cursor;
          },
        });
      });
      if (moved)
        await store.commit((commit) =>
          commit.moveCursor(...(moved as Parameters<CloudCommit['moveCursor']>)),
        );
      return result;
    },
  };
}

export function noCorrections(store: CloudStore): CloudStore {
  return withFault(store, (commit) => correcting(commit, () => []));
}

/** What a conflict says about a row: its columns as the merge left them. */
interface Settled {
  table: string;
  key: string;
  result: Row | null;
}

export function columnCorrections(store: CloudStore): CloudStore {
  return withFault(store, (commit) => {
    const settled: Settled[] = [];
    return correcting(watchingConflicts(commit, settled), (correction) => {
      const found = settled.filter((entry) => isAbout(entry, correction));
      if (!correction.row || found.some(({ result }) => !result)) return [correction];
      const columns = new Set(found.flatMap(({ result }) => Object.keys(result ?? {})));
      if (columns.size === 0) return [correction];
      const row = Object.entries(correction.row).filter(([column]) => columns.has(column));
      return [{ ...correction, row: { ...correction.key, ...Object.fromEntries(row) } }];
    });
  });
}

export function midTransactionCorrections(store: CloudStore): CloudStore {
  return withFault(store, (commit) => {
    const settled: Settled[] = [];
    return correcting(watchingConflicts(commit, settled), (correction) => {
      const found = settled.find((entry) => isAbout(entry, correction) && entry.result);
      if (!correction.row || !found) return [correction];
      return [{ ...correction, row: { ...correction.row, ...found.result } }];
    });
  });
}

export function parkedNotBlocking(store: CloudStore): CloudStore {
  return withFault(store, (commit) => ({
    ...commit,
    parked: { ...commit.parked, waitingRows: async () => new Map() },
  }));
}

/** Every change is taken for one that another campus has given back already. */
export function nothingGivenBack(store: CloudStore): CloudStore {
  return withFault(store, (commit) => ({
    ...commit,
    salvage: { ...commit.salvage, known: async (_epoch, _lsn, changes) => changes.map(() => true) },
  }));
}

export function rowsNotLocked(store: CloudStore): CloudStore {
  return withFault(store, (commit) => ({ ...commit, rows: { ...commit.rows, lock: commit.rows.read } }));
}

function isAbout({ table, key }: Settled, correction: Correction): boolean {
  return table === correction.table && key === JSON.stringify(correction.key);
}

function watchingConflicts(commit: CloudCommit, settled: Settled[]): CloudCommit {
  return {
    ...commit,
    rows: {
      ...commit.rows,
      insert(table, columns, rows) {
        if (table.name === conflictTable) {
          for (const { table_name, row_key, result } of rows) {
            settled.push({
              table: table_name ?? '',
              key: row_key ?? '',
              result: result == null ? null : (JSON.parse(result) as Row),
            });
          }
        }
        return commit.rows.insert(table, columns, rows);
      },
    },
  };
}

function correcting(commit: CloudCommit, change: (correction: Correction) => Correction[]): CloudCommit {
  return {
    ...commit,
    emit(prefix, message) {
      if (prefix !== appliedMessage) return commit.emit(prefix, message);
      const { corrections } = message as AppliedMessage;
      return commit.emit(prefix, { ...message, corrections: corrections.flatMap(change) });
    },
  };
}

export function seenUnchecked(store: CloudStore): CloudStore {
  return withFault(store, (commit) => ({
    ...commit,
    rows: {
      ...commit.rows,
      updateAsSeen: (table, { key, after }) => {
        const columns = [...key.names, ...after.names];
        const both: Columns = { names: columns, values: [...key.values, ...after.values] };
        const rows = (key.values[0] ?? []).map((_, index) => rowAt(both, index));
        return () => commit.rows.update(table, after.names, rows);
      },
    },
  }));
}
