/**
 * A backup is good when it was restored. A drill reads one region alone, restores into a scratch Postgres, compares every
 * table and total with what was counted when the backup was made, lets the school's application be tried on it, and signs what
 * came out with the times that it took. The scratch server and its files are gone afterwards, whatever happened.
 *
 * The drill of a base replays WAL to the newest moment whose figures are known: that of a dump taken since, else that right
 * after the base. So WAL between base and dump is held against a count that owes nothing to it.
 *
 * A drill that fails gives a proof that says so; only a drill that could not be told (no proof could be signed) throws.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SealedObject } from '../format/object.ts';
import { type Comparison, compareFigures, type Expected } from '../restore/compare.ts';
import type { Reader } from '../restore/objects.ts';
import { giveTo, serverOwner } from '../restore/postgres/owner.ts';
import type { Server } from '../restore/postgres/server.ts';
import type { Progress } from '../restore/progress.ts';
import { planFor, restore } from '../restore/restore.ts';
import { restoreDump } from '../restore/restore-dump.ts';
import { readTime } from '../restore/target.ts';
import type { Proof } from './proof.ts';

export interface DrillOptions {
  readonly id: string;
  readonly site: string;
  readonly kind: Proof['kind'];
  readonly region: string;
  /** The live objects of a manifest that was verified in this region. */
  readonly objects: readonly SealedObject[];
  /** Reads this region only. */
  readonly reader: Reader;
  /** Where the scratch server gets a folder of its own; the server's user must be able to enter it. */
  readonly scratch: string;
  /** The database whose tables were counted. */
  readonly database: string;
  /** SQL by name; compared with the values that were recorded at backup time. */
  readonly totals: Readonly<Record<string, string>>;
  /** Tries the application on the restored database; throws when it does not work. */
  smoke?(server: Server, database: string): Promise<void>;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  readonly nowMs: () => number;
  onProgress?(progress: Progress): void;
}

/** Nobody but this process is to reach it. */
const SCRATCH = { fsync: 'off', listen_addresses: '' };

export async function runDrill(options: DrillOptions): Promise<Proof> {
  const { id, site, kind, region, now, nowMs } = options;
  const begun = nowMs();
  const proof: Proof = {
    v: 1,
    drill: id,
    site,
    kind,
    region,
    at: now().toISOString(),
    passed: false,
    object: null,
    compared: null,
    smoke: 'none',
    rtoMs: null,
    rpoMs: null,
    problems: [],
  };
  const scratch = await mkdtemp(join(options.scratch, 'skooly-drill-'));
  await giveTo(scratch, serverOwner());
  let server: Server | null = null;
  try {
    const attempt = kind === 'base' ? await drillBase(options, scratch) : await drillDump(options, scratch);
    server = attempt.server;
    proof.object = { name: attempt.object.name, sha256: attempt.object.sha256 };
    const { tables, rows, totals, differences } = attempt.comparison;
    proof.compared = { with: attempt.comparedWith, tables, rows, totals: { ...totals } };
    proof.problems.push(...differences);
    proof.rtoMs = Math.round(nowMs() - begun);
    proof.rpoMs = Math.max(0, now().getTime() - attempt.newestMs);
    await trySmoke(options, attempt.server, attempt.database, proof);
    proof.passed = proof.problems.length === 0;
  } catch (error) {
    options.signal.throwIfAborted();
    proof.problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    await server?.stop();
    await rm(scratch, { recursive: true, force: true });
  }
  return proof;
}

interface Attempt {
  readonly server: Server;
  readonly database: string;
  readonly object: SealedObject;
  readonly comparedWith: string;
  readonly comparison: Comparison;
  /** The newest commit that this region would give back. */
  readonly newestMs: number;
}

async function drillBase(options: DrillOptions, scratch: string): Promise<Attempt> {
  const { objects, reader, database, totals } = options;
  const latest = await planFor({ objects, reader, target: { kind: 'latest' } });
  const point = newestFigures(objects, latest.base, latest.reach.ms, database);
  const restored = await restore({
    ...options,
    target: readTime(point.at),
    to: join(scratch, 'data'),
    settings: SCRATCH,
  });
  const { server, plan } = restored;
  const compared = { totals, unlogged: false };
  const comparison = await comparedOrStopped(server, () =>
    compareFigures(server.connection(database), point.expected, compared),
  );
  const newestMs = latest.reach.ms;
  return { server, database, object: plan.base, comparedWith: point.name, comparison, newestMs };
}

async function drillDump(options: DrillOptions, scratch: string): Promise<Attempt> {
  const to = join(scratch, 'data');
  const { dump, server, database, comparison } = await restoreDump({
    ...options,
    when: 'latest',
    to,
    settings: SCRATCH,
  });
  const newestMs = Date.parse(dump.about.takenAt);
  return { server, database, object: dump, comparedWith: dump.name, comparison, newestMs };
}

async function comparedOrStopped<T>(server: Server, compare: () => Promise<T>): Promise<T> {
  try {
    return await compare();
  } catch (error) {
    await server.stop();
    throw error;
  }
}

interface Point {
  readonly at: string;
  readonly name: string;
  readonly expected: Expected;
}

/** A dump that was taken between the end of the base and the end of the WAL, else the base itself. */
function newestFigures(
  objects: readonly SealedObject[],
  base: SealedObject<'base'>,
  reachMs: number,
  database: string,
): Point {
  const dumps = objects.filter((one) => one.kind === 'dump') as SealedObject<'dump'>[];
  const ended = Date.parse(base.about.endedAt);
  const usable = dumps
    .filter(({ about }) => about.database === database && Date.parse(about.takenAt) > ended)
    .filter(({ about }) => Date.parse(about.takenAt) <= reachMs)
    .sort((a, b) => Date.parse(a.about.takenAt) - Date.parse(b.about.takenAt));
  const dump = usable.at(-1);
  if (dump) return { at: dump.about.takenAt, name: dump.name, expected: dump.about };
  return { at: base.about.endedAt, name: base.name, expected: base.about };
}

async function trySmoke(
  { smoke }: DrillOptions,
  server: Server,
  database: string,
  proof: Proof,
): Promise<void> {
  if (!smoke) return;
  try {
    await smoke(server, database);
    proof.smoke = 'passed';
  } catch (error) {
    proof.smoke = 'failed';
    proof.problems.push(`the application does not work on it: ${(error as Error).message}`);
  }
}
