/**
 * Brings the campus's schema to the cloud's: asks the relay what follows its own number, verifies each migration against the
 * release key, applies them in order, each in one transaction with its record, and has the catalogue read anew.
 *
 * Only forward. What is not signed, leaves a number out or fails is not applied, and `status` says which and why; it is tried
 * again, more and more seldom, and at once when the link is back. The daemon itself has no right to change structure: it
 * uses the connection of the tables' owner for this and nothing else. Without one it only says that it is behind.
 */
import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  applyMigration,
  MigrationError,
  readSchemaNumber,
  type SignedMigration,
  type SyncMap,
  verifyMigration,
} from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import type { Logger } from 'pino';

export interface MigrationAccess {
  /** Connection of the role that owns the tables. */
  ownerUrl(): string;
  releaseKey: KeyObject;
}

export interface MigrationsOptions {
  /** What the cloud has published behind this number, some at a time. */
  published(after: number, signal: AbortSignal): Promise<{ number: number; migrations: SignedMigration[] }>;
  database: Pool;
  /** Null: this box has not been given what it takes. */
  access: MigrationAccess | null;
  /** In force as long as no migration has brought one. */
  ownMap: SyncMap;
  /** The schema is another one. */
  onApplied(): Promise<unknown>;
  logger: Logger;
  random(): number;
}

export interface SchemaStatus {
  /** The migration that this campus is at; null while its database has not been asked. */
  number: number | null;
  /** The one that the cloud was at when it was last asked; null: not yet. */
  cloudNumber: number | null;
  /** Why the next migration is not applied, with advice; null when there is none, or nothing stands in its way. */
  problem: string | null;
}

/** The feed wakes this room when it speaks of something unknown, so that asking can be rare. */
const intervalMs = 15 * 60_000;

const retryDelayMs = 1_000;
const maxRetryDelayMs = 10 * 60_000;

export class Migrations {
  readonly #options: MigrationsOptions;
  readonly #settled = Promise.withResolvers<void>();
  #status: SchemaStatus = { number: null, cloudNumber: null, problem: null };
  #wake = new AbortController();

  constructor(options: MigrationsOptions) {
    this.#options = options;
  }

  get status(): SchemaStatus {
    return this.#status;
  }

  /** Resolves when this campus is where the cloud was, or cannot get there by itself: the first copy fits this schema. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Something speaks for a new migration, or for a link: ask now. */
  restart(): void {
    this.#wake.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const woken = AbortSignal.any([signal, this.#wake.signal]);
      try {
        await this.#round(signal);
        failures = 0;
        this.#settled.resolve();
        await sleep(intervalMs, undefined, { signal: woken });
      } catch (error) {
        if (signal.aborted) break;
        if (woken.aborted) continue;
        this.#failed(error);
        const delay = Math.min(retryDelayMs * 2 ** failures++, maxRetryDelayMs);
        await sleep(delay * (0.5 + this.#options.random()), undefined, { signal: woken }).catch(() => {});
      }
    }
    this.#settled.resolve();
  }

  /** Applies what there is, to the last one. */
  async #round(signal: AbortSignal): Promise<void> {
    const { published, database } = this.#options;
    for (;;) {
      const number = await readSchemaNumber(database);
      const { number: cloudNumber, migrations } = await published(number, signal);
      this.#status = { ...this.#status, number, cloudNumber };
      if (cloudNumber <= number) break;
      await this.#applyAll(number, cloudNumber, migrations);
    }
    this.#status = { ...this.#status, problem: null };
  }

  async #applyAll(
    number: number,
    cloudNumber: number,
    migrations: readonly SignedMigration[],
  ): Promise<void> {
    const { access, logger } = this.#options;
    if (!access) {
      this.#settled.resolve();
      throw new MigrationError(
        'MIGRATION_NOT_SET_UP',
        `The cloud is at number ${cloudNumber}, and this box cannot follow from ${number}.`,
      );
    }
    if (migrations[0]?.number !== number + 1) {
      throw new MigrationError(
        'MIGRATION_GAP',
        `The cloud is at number ${cloudNumber} and offers nothing that follows ${number}.`,
      );
    }
    for (const migration of migrations) {
      verifyMigration(migration, access.releaseKey);
      const outcome = await applyMigration(access.ownerUrl(), migration, this.#options.ownMap);
      logger.info({ migration: migration.name, outcome }, 'the schema is one migration further');
      this.#status = { ...this.#status, number: migration.number };
      await this.#options.onApplied();
    }
  }

  /** A relay or a database that is away says nothing about migrations. */
  #failed(error: unknown): void {
    const { logger } = this.#options;
    if (!(error instanceof MigrationError)) {
      logger.debug({ err: error }, 'the cloud could not be asked for migrations');
      return;
    }
    this.#status = { ...this.#status, problem: `${error.message} ${error.advice}` };
    logger.warn({ code: error.code, err: error }, 'a migration is not applied');
  }
}
