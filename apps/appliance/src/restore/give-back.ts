/**
 * The cloud was restored to an earlier point. What it has lost and this campus has is given back, in the order in which it
 * happened: this campus's own transactions, pushed again from where the cloud's cursor stands, and between them, where their
 * stamps say, the entries of the cloud's feed that had been received. Then the campus follows the new epoch from where
 * the feed was cut off.
 *
 * Nothing is remembered of how far it came: the relay tells it, so that a cut or a crash goes on where it stopped. It does not
 * promise that the sites are equal afterwards: what no campus had received is lost, and a resync looks at every row.
 */
import { type BatchHeader, bootsNamed } from '@skooly-edge/sync-protocol';
import type { KeptEntry } from '../sync-log/received.ts';

export interface FollowedFeed {
  epoch: string;
  seq: number;
  /** Earlier epochs of the cloud that this campus has followed, the latest first. */
  followed: readonly string[];
}

/** What giving back needs of the sync log. */
export interface GivingLog {
  readonly epoch: string;
  readonly acknowledged: number;
  rewindAcknowledged(seq: number): void;
  rebuildTouches(afterSeq: number): void;
  read(seq: number, maxBytes: number, maxTransactions: number): { lines: string[]; lastSeq: number } | null;
  acknowledge(seq: number): void;
  receivedAfter(epoch: string, seq: number, limit: number): KeptEntry[];
  firstReceived(epoch: string): number | null;
}

export interface RestorePoint {
  epoch: string;
  forkSeq: number;
  givenSeq: number;
}

/** What giving back needs of the relay. */
export interface GivingRelay {
  sync(epoch: string, signal: AbortSignal): Promise<{ epoch: string; cursor: { seq: number } }>;
  pack(lines: readonly string[]): Promise<Buffer[]>;
  push(
    header: BatchHeader,
    packed: readonly Buffer[][],
    signal: AbortSignal,
  ): Promise<{ cursor: { seq: number } }>;
  restorePoint(epochs: readonly string[], signal: AbortSignal): Promise<RestorePoint>;
  giveBack(epoch: string, entries: readonly KeptEntry[], signal: AbortSignal): Promise<RestorePoint>;
}

export interface GiveBackOptions {
  log: GivingLog;
  relay: GivingRelay;
  cursor(): Promise<FollowedFeed>;
  /** @returns whether the cursor still stood at `from`; if not, nothing has happened. */
  switchEpoch(from: FollowedFeed, epoch: string, forkSeq: number, signal: AbortSignal): Promise<boolean>;
  /** @param boots Those that the transactions name. */
  header(boots: ReadonlySet<string>): Promise<BatchHeader>;
  onProgress?(progress: GiveBackResult): void;
}

export interface GiveBackResult {
  /** Transactions of this campus that were pushed again. */
  pushedAgain: number;
  /** Entries of the lost feed that were given back. */
  givenBack: number;
}

const maxEntries = 1_000;
const maxBytes = 4 * 1024 * 1024;
const maxTransactions = 10_000;

/** @returns null when the cloud's epoch is the one that this campus follows. @throws LogError LOG_TRIMMED */
export async function giveBack(
  options: GiveBackOptions,
  signal: AbortSignal,
): Promise<GiveBackResult | null> {
  const { log, relay, onProgress } = options;
  const position = await relay.sync(log.epoch, signal);
  let cursor = await options.cursor();
  if (position.epoch === cursor.epoch) return null;
  log.rewindAcknowledged(position.cursor.seq);
  log.rebuildTouches(position.cursor.seq);
  let point = await relay.restorePoint([cursor.epoch, ...cursor.followed], signal);
  const result: GiveBackResult = { pushedAgain: 0, givenBack: 0 };
  for (;;) {
    cursor = await options.cursor();
    const entries = lostEntries(log, cursor, point);
    const [first] = entries;
    if (!first) {
      if (await options.switchEpoch(cursor, position.epoch, point.forkSeq, signal)) return result;
      continue;
    }
    const stamp = stampHere(first, log);
    result.pushedAgain += await pushUpTo(options, stamp, signal);
    const together = entries.slice(0, endOfStamp(entries, stamp, log));
    point = await relay.giveBack(point.epoch, together, signal);
    result.givenBack += together.length;
    onProgress?.(result);
  }
}

/** What was received behind the restore point, through all the epochs that this campus has followed since. */
function lostEntries(log: GivingLog, cursor: FollowedFeed, point: RestorePoint): KeptEntry[] {
  const spans: { epoch: string; upTo: number }[] = [];
  let upTo = cursor.seq;
  for (const epoch of [cursor.epoch, ...cursor.followed]) {
    spans.unshift({ epoch, upTo });
    if (epoch === point.epoch) break;
    upTo = Math.min(upTo, (log.firstReceived(epoch) ?? Number.POSITIVE_INFINITY) - 1);
  }
  const lost: KeptEntry[] = [];
  for (const span of spans) {
    const after = Math.max(point.givenSeq, lost.at(-1)?.seq ?? 0);
    const entries = log.receivedAfter(span.epoch, after, maxEntries - lost.length);
    lost.push(...entries.filter((entry) => entry.seq <= span.upTo));
    if (lost.length >= maxEntries) break;
  }
  return lost;
}

/** How many of the entries have this stamp: nothing of this campus's own comes between them. */
function endOfStamp(entries: readonly KeptEntry[], stamp: number, log: GivingLog): number {
  let bytes = 0;
  const end = entries.findIndex((entry, index) => {
    if (entry.proof !== entries[index - 1]?.proof) bytes += bytesOf(entry);
    return index > 0 && (bytes > maxBytes || stampHere(entry, log) !== stamp);
  });
  return end === -1 ? entries.length : end;
}

async function pushUpTo(options: GiveBackOptions, seq: number, signal: AbortSignal): Promise<number> {
  const { log, relay } = options;
  const before = log.acknowledged;
  while (log.acknowledged < seq) {
    const slice = log.read(log.acknowledged, maxBytes, Math.min(maxTransactions, seq - log.acknowledged));
    if (!slice) break;
    const header = await options.header(bootsNamed(slice.lines));
    const answer = await relay.push(header, [await relay.pack(slice.lines)], signal);
    log.acknowledge(answer.cursor.seq);
  }
  return log.acknowledged - before;
}

function bytesOf({ proof }: KeptEntry): number {
  return 'block' in proof ? proof.block.length : proof.body.length;
}

function stampHere(entry: KeptEntry, log: GivingLog): number {
  return entry.stampEpoch === log.epoch ? entry.stampSeq : 0;
}
