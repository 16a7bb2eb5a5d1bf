/** Looks at the Postgres server now and then: whether it is there, how far its WAL is, and whether it archives as it should. */
import type { Clock } from '../schedule/clock.ts';
import { serverFacts, withClient } from '../source/server.ts';
import { lsnPosition } from '../source/wal/wal-name.ts';
import { type SettingProblem, walSettingProblems } from '../source/wal/wal-settings.ts';
import type { Spool } from '../spool/spool.ts';
import type { CommitWatch } from './commit-watch.ts';

const lookMs = 10_000;
const systemFact = 'system';

export interface ServerWatchOptions {
  readonly url: string;
  readonly archiveCommand: string;
  readonly spool: Spool;
  readonly commits: CommitWatch;
  readonly clock: Clock;
}

export interface ServerState {
  /** Null while it answers. */
  readonly error: string | null;
  readonly sinceMs: number;
  readonly settings: readonly SettingProblem[];
}

export class ServerWatch {
  readonly #options: ServerWatchOptions;
  #state: ServerState;

  constructor(options: ServerWatchOptions) {
    this.#options = options;
    this.#state = { error: null, sinceMs: options.clock.now(), settings: [] };
  }

  get state(): ServerState {
    return this.#state;
  }

  /** Of the server, as it was seen last. */
  get systemIdentifier(): string | null {
    return this.#options.spool.fact(systemFact);
  }

  /** Asks the server when what is remembered does not fit: it may have been made anew. */
  async isOurs(systemIdentifier: string): Promise<boolean> {
    if (this.systemIdentifier === systemIdentifier) return true;
    await this.#look();
    return this.systemIdentifier === systemIdentifier;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        const { message } = error as Error;
        if (this.#state.error === null)
          this.#state = { ...this.#state, error: message, sinceMs: clock.now() };
      }
      await clock.sleep(lookMs, signal);
    }
  }

  async #look(): Promise<void> {
    const { url, archiveCommand, spool, commits, clock } = this.#options;
    await withClient(url, async (client) => {
      const { systemIdentifier } = await serverFacts(client);
      const at = clock.now();
      const { rows } = await client.query(
        `select case when pg_is_in_recovery() then null else pg_current_wal_insert_lsn()::text end as lsn,
                pg_current_snapshot()::text as snapshot`,
      );
      const { lsn, snapshot } = rows[0];
      if (lsn !== null) commits.saw({ at, place: lsnPosition(lsn), snapshot });
      if (spool.fact(systemFact) !== systemIdentifier) spool.setFact(systemFact, systemIdentifier);
      const settings = await walSettingProblems(client, archiveCommand);
      this.#state = { error: null, sinceMs: clock.now(), settings };
    });
  }
}
