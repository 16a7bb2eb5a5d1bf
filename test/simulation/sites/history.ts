/** When the cloud last changed a row, over the model database. The counterpart of `postgres-history.ts`. */
import { type Change, markMessage, type Row, rowId, type Table } from '@skooly-edge/sync-protocol';
import type { RowHistory } from '../../../apps/cloud-relay/src/ingest/cloud-store.ts';
import { inTransaction, type Session } from '../database/session.ts';
import { theOne } from './engine-tables.ts';

const feedPatienceUs = 5_000_000;
const pollUs = 10_000;

export class ModelHistory implements RowHistory {
  readonly #session: Session;
  readonly #campus: string;
  #feedIsCurrent: Promise<boolean> | null = null;

  constructor(session: Session, campus: string) {
    this.#session = session;
    this.#campus = campus;
  }

  rowChangedAt(table: Table, key: Row): Promise<number | null> {
    return this.#session.run((transaction) => {
      const [stored] = transaction.read(table.name, [key]);
      return stored ? (stored.writtenAt ?? 0) : null;
    });
  }

  async changedSince(table: Table, key: Row, column: string | null, since: number): Promise<boolean> {
    const [last] = await this.#session.run((transaction) => transaction.read(table.name, [key]));
    // Null: not committed yet, and then its origin is not known either.
    if (last && last.writtenAt !== null && last.origin === null && last.writtenAt < since) return false;
    if (!(await this.#feedCaughtUp())) return true;
    const changes = await this.#feedChanges(table, key, since);
    return changes.some(
      (change) => column === null || change.op !== 'update' || column in (change.after ?? {}),
    );
  }

  async lastKnown(table: Table, key: Row): Promise<Row | null> {
    if (!(await this.#feedCaughtUp())) return null;
    const [latest] = await this.#feedChanges(table, key, -1);
    return latest?.op === 'delete' ? latest.before : null;
  }

  #feedChanges(table: Table, key: Row, since: number): Promise<Change[]> {
    const id = rowId(table.name, key);
    const needle = JSON.stringify(Object.values(key)[0]);
    return this.#session.run((transaction) =>
      transaction
        .all('sync.feed')
        .map(({ row }) => row)
        .filter(
          (row) =>
            row.campus === this.#campus && Number(row.committed_at) >= since && row.body?.includes(needle),
        )
        .sort((a, b) => Number(b.seq) - Number(a.seq))
        .flatMap((row) =>
          (JSON.parse(row.body ?? '') as { changes: Change[] }).changes
            .filter((change) => rowId(change.table, change.key) === id)
            .reverse(),
        ),
    );
  }

  #feedCaughtUp(): Promise<boolean> {
    this.#feedIsCurrent ??= this.#waitForFeed();
    return this.#feedIsCurrent;
  }

  async #waitForFeed(): Promise<boolean> {
    const { process, database } = this.#session;
    const mark = await inTransaction(process, database, (session) =>
      session.run((transaction) => transaction.emit(markMessage, '')),
    );
    for (let waitedUs = 0, pauseUs = pollUs; waitedUs < feedPatienceUs; waitedUs += pauseUs, pauseUs *= 1.5) {
      const position = await inTransaction(process, database, (session) =>
        session.run((transaction) =>
          Number(transaction.read('sync.feed_position', [theOne])[0]?.row.lsn ?? 0),
        ),
      );
      if (position >= mark) return true;
      await process.sleep(pauseUs);
    }
    database.feedMissed.push(database.nowUs);
    return false;
  }
}
