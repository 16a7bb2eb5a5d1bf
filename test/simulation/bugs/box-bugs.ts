/** Faulty stores, logs and captures of a box. Each is the sound one with one thing wrong. */
import { type Row, rowId } from '@skooly-edge/sync-protocol';
import type { CampusCommit, CampusStore } from '../../../apps/appliance/src/pull/campus-store.ts';
import type { OwnLog } from '../../../apps/appliance/src/pull/follower.ts';
import type { SyncLog } from '../../../apps/appliance/src/sync-log/sync-log.ts';
import type { Database } from '../database/database.ts';
import type { BoxWrap } from '../sites/box.ts';

/** Whoever waits for the disk goes on at once. */
export const acknowledgedBeforeDurable: BoxWrap['disk'] = (disk) => ({
  ...disk,
  async settle() {
    void disk.settle();
  },
});

export const duplicatesNotRecognised: BoxWrap['sink'] = (log) => ({
  append(transactions) {
    return log.append(
      transactions.map((transaction, index) => ({ ...transaction, endLsn: log.lsn + index + 1 })),
    );
  },
});

export function byAcknowledgement(log: SyncLog): OwnLog {
  return withAnswer(log, (table, key) => log.changesSince(table, key, log.acknowledged));
}

/** Whatever the log would first have to make counts as untouched. */
export function byWhatIsMade(log: SyncLog): OwnLog {
  return withAnswer(log, (...asked) => (log.untouched > 0 ? null : log.changesSince(...asked)));
}

/** A column that has the value which it had at the stamp counts as unchanged. */
export function byComparingValues(log: SyncLog, database: Database): OwnLog {
  return withAnswer(log, (table, key, stampSeq) => {
    const own = log.changesSince(table, key, stampSeq);
    const current = database.table(table).rows.get(rowId(table, key))?.row;
    if (!own || !current || own.columns === 'all') return own;
    const changed = [...own.columns].filter(
      (column) => current[column] !== valueAt(log, table, key, stampSeq, column),
    );
    return changed.length === 0 ? null : { ...own, columns: new Set(changed) };
  });
}

function valueAt(
  log: SyncLog,
  table: string,
  key: Row,
  seq: number,
  column: string,
): string | null | undefined {
  const id = rowId(table, key);
  for (const { changes } of log.transactionsAfter(seq)) {
    const first = changes.find(
      (change) => rowId(change.table, change.key) === id && column in (change.before ?? {}),
    );
    if (first) return first.before?.[column];
  }
  return undefined;
}

function withAnswer(log: SyncLog, changesSince: OwnLog['changesSince']): OwnLog {
  return {
    epoch: log.epoch,
    get lastSeq() {
      return log.lastSeq;
    },
    changesSince,
    forgetTouches: (seq) => log.forgetTouches(seq),
  };
}

/** Nothing of its own is later than any entry. */
export const ownWritesOverlooked: BoxWrap['ownLog'] = (log) => ({
  epoch: log.epoch,
  lastSeq: 0,
  changesSince: (table, key, seq) => log.changesSince(table, key, seq),
  forgetTouches: (seq) => log.forgetTouches(seq),
});

/** The same question gets the same answer. */
export const answersUnproved: BoxWrap['ownLog'] = (log) => {
  const answers = new Map<string, ReturnType<typeof log.changesSince>>();
  return {
    epoch: log.epoch,
    get lastSeq() {
      return log.lastSeq;
    },
    changesSince(table, key, seq) {
      const question = JSON.stringify([table, key, seq]);
      const answer = answers.get(question) ?? log.changesSince(table, key, seq);
      answers.set(question, answer);
      return answer;
    },
    forgetTouches: (seq) => log.forgetTouches(seq),
  };
};

export const feedCursorOutside: BoxWrap['store'] = (store) => ({
  close: () => store.close(),
  async commit(work, signal) {
    let last: Parameters<CampusCommit['moveCursor']>[0] | null = null;
    const result = await store.commit((commit) => {
      last = null;
      return work({
        ...commit,
        async moveCursor(entry) {
          last = entry;
        },
      });
    }, signal);
    if (last) await store.commit((commit) => commit.moveCursor(last as NonNullable<typeof last>), signal);
    return result;
  },
});

export const entriesForgotten = (store: CampusStore): CampusStore => ({
  close: () => store.close(),
  commit: (work, signal) => store.commit((commit) => work({ ...commit, waiting: async () => [] }), signal),
});
