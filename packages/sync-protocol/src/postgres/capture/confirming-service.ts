/**
 * The replication service with a confirmation of its own: the library's refuses a clock that stands before 2000, and confirms one
 * byte more than it is told, which can be the start of the next commit. And with a brake of its own: the library's stops after each
 * message until everybody has heard it, which costs more than most messages are worth.
 */
import type { Connection } from 'pg';
import { LogicalReplicationService } from 'pg-logical-replication';

/** Microseconds from 1970-01-01 to 2000-01-01 UTC. */
const postgresEpochUs = 946_684_800_000_000n;

export class ConfirmingService extends LogicalReplicationService {
  /** Everything before `lsn` is durable here. @returns false when there is no connection to say it on. */
  confirm(lsn: number): boolean {
    const connection = this.#connection;
    if (this.isStop() || !connection) return false;
    sender(connection).sendCopyFromChunk(standbyStatusUpdate(BigInt(lsn), BigInt(Date.now()) * 1000n));
    return true;
  }

  /** Nothing more is read from the connection: Postgres waits. What has been read still comes. */
  pause(): void {
    this.#connection?.stream.pause();
  }

  resume(): void {
    this.#connection?.stream.resume();
  }

  get #connection(): Connection | null {
    return (this as unknown as { _connection: Connection | null })._connection;
  }
}

/**
 * "Standby status update" of the streaming replication protocol (PostgreSQL manual, 55.4): written, flushed and applied up to `lsn`.
 *
 * @param nowUs Microseconds since 1970-01-01 UTC; may lie before 2000.
 */
export function standbyStatusUpdate(lsn: bigint, nowUs: bigint): Buffer {
  const message = Buffer.alloc(34);
  message.write('r', 0, 'latin1');
  for (const offset of [1, 9, 17]) message.writeBigUInt64BE(lsn, offset);
  message.writeBigInt64BE(nowUs - postgresEpochUs, 25);
  return message;
}

/** pg's types do not know of COPY. */
function sender(connection: Connection) {
  return connection as unknown as { sendCopyFromChunk(chunk: Buffer): void };
}
