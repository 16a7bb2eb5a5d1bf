/**
 * The sync log of an appliance, exported in ranges: one opaque line for each sequence number, as the log gives it. What a
 * line holds is no concern here. Each range begins where the last one that is safe ended; a log of another epoch is exported
 * from its beginning.
 */
import { Readable } from 'node:stream';
import type { AboutSyncLog } from '../format/object.ts';
import { SourceError } from './errors.ts';
import type { Taken } from './source.ts';

/** Given by the appliance. */
export interface SyncLogSource {
  readonly epoch: string;
  /** The last sequence number that is durable; 0 when the log is empty. */
  head(): number;
  /** The first one that the log still has. */
  first(): number;
  /** One line each, in order, both ends included; without line ends. A range is read once and at one moment. */
  read(from: number, to: number): Iterable<string> | AsyncIterable<string>;
}

export interface SyncLogCursor {
  readonly epoch: string;
  /** The last one that is safe. */
  readonly seq: number;
}

/** One object holds at most this many, so that none grows without bound after a long pause. */
export const maxSyncLogLines = 100_000;

export interface NextRange {
  readonly about: AboutSyncLog;
  /** Lines that the log gave up before they were exported; null when nothing is missing. */
  readonly missed: { readonly fromSeq: number; readonly toSeq: number } | null;
}

/** @returns null when there is nothing new. */
export function nextRange(log: SyncLogSource, cursor: SyncLogCursor | null): NextRange | null {
  const first = log.first();
  const wanted = cursor?.epoch === log.epoch ? cursor.seq + 1 : first;
  const fromSeq = Math.max(wanted, first);
  const head = log.head();
  if (head < fromSeq) return null;
  const toSeq = Math.min(head, fromSeq + maxSyncLogLines - 1);
  const missed = fromSeq > wanted ? { fromSeq: wanted, toSeq: fromSeq - 1 } : null;
  return { about: { epoch: log.epoch, fromSeq, toSeq }, missed };
}

export function takeSyncLog(log: SyncLogSource, about: AboutSyncLog): Taken<'sync-log'> {
  return {
    kind: 'sync-log',
    stream: Readable.from(linesOf(log, about), { objectMode: false }),
    about: async () => about,
  };
}

async function* linesOf(log: SyncLogSource, { epoch, fromSeq, toSeq }: AboutSyncLog): AsyncGenerator<Buffer> {
  let seq = fromSeq;
  for await (const line of log.read(fromSeq, toSeq)) {
    yield Buffer.from(`${line}\n`);
    seq++;
  }
  if (seq !== toSeq + 1 || log.epoch !== epoch)
    throw new SourceError(
      'SOURCE_FAILED',
      `The sync log gave ${seq - fromSeq} lines of ${fromSeq} to ${toSeq}.`,
    );
}
