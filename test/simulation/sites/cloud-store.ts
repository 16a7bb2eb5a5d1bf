/** The cloud's model database as ingest's store. The counterpart of `postgres-cloud.ts`: what that says in SQL is said here. */
import { type Catalog, encodeTransaction, type Row, RowsMovedError, rowId } from '@skooly-edge/sync-protocol';
import type {
  CloudCommit,
  CloudStore,
  ParkedStore,
  ParkedTransaction,
  PartStore,
  SalvageStore,
} from '../../../apps/cloud-relay/src/ingest/cloud-store.ts';
import { datedBody } from '../../../apps/cloud-relay/src/ingest/dated.ts';
import type { RefusalKind } from '../../../apps/cloud-relay/src/ingest/refusal.ts';
import type { Database } from '../database/database.ts';
import { modelRows } from '../database/model-rows.ts';
import { Session } from '../database/session.ts';
import type { Process } from '../world/process.ts';
import { applyOrigin } from './engine-tables.ts';
import { ModelHistory } from './history.ts';

const maxRestarts = 5;

/** Postgres keeps the date of a session's last dated transaction for its later ones. */
interface PooledSession {
  session: Session;
  lastDate: number | null;
}

export class ModelCloud implements CloudStore {
  readonly #process: Process;
  readonly #database: Database;
  readonly #catalog: Catalog;
  readonly #idle: PooledSession[] = [];

  constructor(process: Process, database: Database, catalog: Catalog) {
    this.#process = process;
    this.#database = database;
    this.#catalog = catalog;
  }

  async commit<T>(work: (commit: CloudCommit) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const pooled = this.#idle.pop() ?? this.#connect();
      const { session } = pooled;
      try {
        await session.begin();
        session.transaction.date = pooled.lastDate;
        const result = await work(this.#commitOver(pooled));
        pooled.lastDate = session.transaction.date ?? this.#database.nowUs;
        await session.commit();
        this.#idle.push(pooled);
        return result;
      } catch (error) {
        session.rollback();
        if ((error as { code?: string }).code !== '57P01') this.#idle.push(pooled);
        if (attempt >= maxRestarts || !isRestartable(error)) throw error;
      }
    }
  }

  #connect(): PooledSession {
    const options = { origin: applyOrigin, replica: true };
    return { session: new Session(this.#process, this.#database, options), lastDate: null };
  }

  #commitOver({ session }: PooledSession): CloudCommit {
    return {
      catalog: this.#catalog,
      rows: modelRows(session),
      parked: modelParked(session),
      salvage: modelSalvage(session),
      parts: modelParts(session),
      lockCursor: (campus, epoch) =>
        session.run(async (transaction) => {
          await transaction.insert('sync.cursor', { campus, epoch, seq: '0' }, 'nothing');
          const [row] = await transaction.lock('sync.cursor', [{ campus, epoch }], 'exclusive');
          return Number(row?.seq ?? 0);
        }),
      async moveCursor(campus, epoch, seq) {
        await session.run((transaction) =>
          transaction.update('sync.cursor', { campus, epoch }, { seq: String(seq) }),
        );
      },
      date: (committedAt) =>
        session.run((transaction) => {
          transaction.date = committedAt;
        }),
      history: (campus) => new ModelHistory(session, campus),
      async emit(prefix, message) {
        await session.run((transaction) => transaction.emit(prefix, JSON.stringify(message)));
      },
    };
  }
}

function modelParked(session: Session): ParkedStore {
  const parkedOf = (campus: string) =>
    session.run((transaction) =>
      transaction
        .all('sync.parked')
        .map(({ row }) => row)
        .filter((row) => row.campus === campus),
    );
  return {
    async add({ campus, epoch, kind, detail, transaction, conflictId, waitsFor }) {
      await session.run((open) =>
        open.insert('sync.parked', {
          campus,
          epoch,
          seq: String(transaction.seq),
          kind,
          detail,
          body: encodeTransaction(transaction),
          conflict_id: conflictId,
          waits_for: JSON.stringify(waitsFor),
          parked_at: String(session.database.nowUs),
        }),
      );
    },
    async remove(campus, epoch, seq) {
      await session.run((open) => open.delete('sync.parked', { campus, epoch, seq: String(seq) }));
    },
    async drop(campus, epoch, seq) {
      const key = { campus, epoch, seq: String(seq) };
      await session.run(async (open) => {
        const [found] = open.read('sync.parked', [key]);
        if (!found) return;
        await open.delete('sync.parked', key);
        await open.insert('sync.dropped', {
          ...key,
          body: found.row.body ?? null,
          conflict_id: found.row.conflict_id ?? null,
        });
      });
    },
    async takeBack() {
      // Nobody in this world decides.
      return [];
    },
    async list(campus) {
      const rows = await parkedOf(campus);
      const since = (epoch: string | null | undefined) =>
        Math.min(...rows.filter((row) => row.epoch === epoch).map((row) => Number(row.parked_at)));
      const byAge = (a: Row, b: Row) => since(a.epoch) - since(b.epoch) || Number(a.seq) - Number(b.seq);
      return rows.sort(byAge).map(toParked);
    },
    async count(campus) {
      return (await parkedOf(campus)).length;
    },
    async epochs(campus) {
      return [...new Set((await parkedOf(campus)).map(({ epoch }) => epoch ?? ''))].sort();
    },
    async waitingRows(campus) {
      const waiting = new Map<string, RefusalKind>();
      for (const parked of (await parkedOf(campus)).map(toParked)) {
        for (const { table, key } of parked.transaction.changes) waiting.set(rowId(table, key), parked.kind);
      }
      return waiting;
    },
  };
}

function toParked(row: Row): ParkedTransaction {
  return {
    campus: row.campus ?? '',
    epoch: row.epoch ?? '',
    kind: row.kind as RefusalKind,
    detail: row.detail ?? '',
    transaction: datedBody(row.body ?? ''),
    conflictId: row.conflict_id ?? '',
    waitsFor: JSON.parse(row.waits_for ?? '[]'),
  };
}

function modelParts(session: Session): PartStore {
  const partsOf = (campus: string, epoch: string) =>
    session.run((open) =>
      open
        .all('sync.part')
        .map(({ row }) => row)
        .filter((row) => row.campus === campus && row.epoch === epoch)
        .sort((a, b) => Number(a.seq) - Number(b.seq)),
    );
  return {
    async open(campus, epoch) {
      return (await partsOf(campus, epoch)).length > 0;
    },
    async add(campus, epoch, part) {
      const row = { campus, epoch, seq: String(part.seq), body: JSON.stringify(part) };
      await session.run((open) => open.insert('sync.part', row));
    },
    async after(campus, epoch, seq) {
      const found = (await partsOf(campus, epoch)).find((row) => Number(row.seq) > seq);
      return found ? datedBody(found.body ?? '') : null;
    },
    async clear(campus, epoch) {
      for (const row of await partsOf(campus, epoch))
        await session.run((open) => open.delete('sync.part', row));
    },
  };
}

function modelSalvage(session: Session): SalvageStore {
  const changeId = (change: { op: string; table: string; key: Row }) =>
    `${change.op} ${rowId(change.table, change.key)}`;
  return {
    async point(campus, epoch) {
      const [row] = await session.run((open) => open.lock('sync.salvage', [{ campus, epoch }], 'exclusive'));
      return row ? { forkSeq: Number(row.fork_seq), givenSeq: Number(row.given_seq) } : null;
    },
    async moveGiven(campus, epoch, seq) {
      await session.run((open) => open.update('sync.salvage', { campus, epoch }, { given_seq: String(seq) }));
    },
    known: (epoch, lsn, changes) =>
      session.run((open) =>
        changes.map(
          (change) =>
            open.read('sync.salvaged', [{ change_id: changeId(change), epoch, lsn: String(lsn) }]).length > 0,
        ),
      ),
    async remember(epoch, lsn, changes) {
      await session.run(async (open) => {
        for (const change of changes)
          await open.insert(
            'sync.salvaged',
            { change_id: changeId(change), epoch, lsn: String(lsn) },
            'nothing',
          );
      });
    },
  };
}

export function isRestartable(error: unknown): boolean {
  return error instanceof RowsMovedError || (error as { code?: string }).code === '40P01';
}
