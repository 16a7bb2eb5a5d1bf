/**
 * Makes a log out of the file of lines that `skooly-backup sync-log` brings back: the same epoch, the same numbers, and
 * everything in it still to be said. The file is read to its end and held to what its first line says before it counts.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { type LogHead, linesOf, logFormat } from '@skooly-edge/backup-core/log-lines';
import type { Transaction } from '@skooly-edge/sync-protocol';
import type Database from 'better-sqlite3';
import { prepareStatements } from '../sync-log/statements.ts';
import { AdoptError } from './errors.ts';

/** Whether the file begins as such a file does; any other is taken for the log's own. */
export async function isLinesFile(path: string): Promise<boolean> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, 0);
    return bytesRead === 1 && buffer.toString() === '{';
  } finally {
    await handle.close();
  }
}

/**
 * @param database Migrated and empty.
 * @throws AdoptError LOG_UNREADABLE
 */
export async function fillFromLines(path: string, database: Database.Database): Promise<void> {
  const { insert, setMeta } = prepareStatements(database);
  database.exec('BEGIN');
  let head: LogHead | null = null;
  let seq = 0;
  for await (const line of linesOf(createReadStream(path))) {
    if (head === null) {
      head = headOf(path, line);
      seq = head.fromSeq - 1;
      continue;
    }
    seq++;
    const body = line.toString();
    const { seq: said, committedAt } = parse<Transaction>(body) ?? {};
    if (said !== seq || typeof committedAt !== 'number' || seq > head.toSeq)
      throw unreadable(path, `what should be transaction ${seq} is none`);
    insert.run(seq, committedAt, line.length, body);
  }
  if (head === null || seq !== head.toSeq)
    throw unreadable(path, `it ends with transaction ${seq}, and should with ${head?.toSeq}`);
  setMeta.run('epoch', head.epoch);
  setMeta.run('lastSeq', String(head.toSeq));
  setMeta.run('acknowledged', String(head.fromSeq - 1));
  database.exec('COMMIT');
}

function headOf(path: string, line: Buffer): LogHead {
  const { format, site, epoch, fromSeq, toSeq } = parse<LogHead>(line.toString()) ?? {};
  const isRange = Number.isSafeInteger(fromSeq) && Number.isSafeInteger(toSeq);
  if (format !== logFormat || !site || !epoch || !isRange)
    throw unreadable(path, `its first line is not that of ${logFormat}`);
  return { format, site, epoch, fromSeq: fromSeq as number, toSeq: toSeq as number };
}

function parse<T>(text: string): Partial<T> | null {
  try {
    return JSON.parse(text) as Partial<T> | null;
  } catch {
    return null;
  }
}

function unreadable(path: string, why: string): AdoptError {
  return new AdoptError(
    'LOG_UNREADABLE',
    `${path} is no whole sync log: ${why}.`,
    'Bring it back again with skooly-backup sync-log, and copy the whole file.',
  );
}
