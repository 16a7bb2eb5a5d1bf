/** The campus's model database as the follower's store. The counterpart of `postgres-campus.ts`. */
import type { Catalog, FeedEntry, Row } from '@skooly-edge/sync-protocol';
import type { CampusCommit, CampusStore } from '../../../apps/appliance/src/pull/campus-store.ts';
import type { Database } from '../database/database.ts';
import { modelRows } from '../database/model-rows.ts';
import { Session } from '../database/session.ts';
import type { Process } from '../world/process.ts';
import { isRestartable } from './cloud-store.ts';
import { applyOrigin, theOne } from './engine-tables.ts';

const maxRestarts = 20;

export class ModelCampus implements CampusStore {
  readonly #session: Session;
  readonly #catalog: Catalog;
  #lastDate: number | null = null;

  constructor(process: Process, database: Database, catalog: Catalog) {
    this.#session = new Session(process, database, { origin: applyOrigin, replica: true, givesWay: true });
    this.#catalog = catalog;
  }

  async commit<T>(work: (commit: CampusCommit) => Promise<T>): Promise<T> {
    const session = this.#session;
    for (let attempt = 1; ; attempt++) {
      try {
        await session.begin();
        session.transaction.date = this.#lastDate;
        const result = await work(commitOver(session, this.#catalog));
        this.#lastDate = session.transaction.date ?? session.database.nowUs;
        await session.commit();
        return result;
      } catch (error) {
        session.rollback();
        if (attempt >= maxRestarts || !isRestartable(error)) throw error;
      }
    }
  }

  async close(): Promise<void> {
    this.#session.rollback();
  }
}

function commitOver(session: Session, catalog: Catalog): CampusCommit {
  const setCursor = (values: Row) =>
    session.run(async (transaction) => {
      await transaction.update('sync.cursor', theOne, values);
    });
  return {
    catalog,
    rows: modelRows(session),
    async cursor() {
      const [row] = await session.run((transaction) =>
        transaction.lock('sync.cursor', [theOne], 'exclusive'),
      );
      return { epoch: row?.epoch ?? '', seq: Number(row?.seq), forkSeq: Number(row?.fork_seq) };
    },
    async switchEpoch(epoch, forkSeq) {
      await session.run(async (transaction) => {
        const old = transaction.read('sync.cursor', [theOne])[0]?.row ?? {};
        const seq = Math.min(Number(old.seq), forkSeq);
        await transaction.update('sync.cursor', theOne, {
          epoch,
          followed: JSON.stringify([old.epoch, ...JSON.parse(old.followed ?? '[]')]),
          seq: String(seq),
          fork_seq: String(forkSeq),
        });
        for (const { row } of transaction.all('sync.parked_entry'))
          if (Number(row.seq) > forkSeq) await transaction.delete('sync.parked_entry', row);
      });
    },
    moveCursor: ({ seq, stamp }) =>
      setCursor({ seq: String(seq), stamp_epoch: stamp.epoch, stamp_seq: String(stamp.seq) }),
    keepsUnknown: false,
    keep: async (entries) => [...entries],
    learned: async () => [],
    keptStamps: async () => [],
    date: (committedAt) =>
      session.run((transaction) => {
        transaction.date = committedAt;
      }),
    async waiting() {
      const rows = await session.run((transaction) => transaction.all('sync.parked_entry'));
      return rows.map(({ row }) => JSON.parse(row.body ?? '') as FeedEntry).sort((a, b) => a.seq - b.seq);
    },
    async addWaiting(entry, kind, detail) {
      const row = { seq: String(entry.seq), body: JSON.stringify(entry), kind, detail };
      await session.run((transaction) => transaction.insert('sync.parked_entry', row));
    },
    async removeWaiting(seq) {
      await session.run((transaction) => transaction.delete('sync.parked_entry', { seq: String(seq) }));
    },
  };
}
