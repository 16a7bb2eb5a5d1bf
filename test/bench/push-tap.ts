/**
 * Stands between the box and the cable and passes every byte on, while it reads along what is pushed: which transactions each batch held and
 * what it weighed. So a bench knows what was sent twice.
 */
import { readFileSync } from 'node:fs';
import { createServer as createReader, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { decodeBatch, transactionsIn } from '@skooly-edge/sync-protocol';
import type { Lab } from '../lab/lab.ts';

export interface SentBatch {
  firstSeq: number;
  lastSeq: number;
  bytes: number;
}

export class PushTap {
  /** In the order in which they were sent. */
  readonly batches: SentBatch[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((box) => this.#pass(box));
  /** Never listens: it is handed copies of what boxes say. */
  readonly #reader = createReader({ requestTimeout: 0 }, async (asked, answer) => {
    if (asked.method === 'POST' && asked.url === '/v1/push') await this.#note(asked);
    else asked.resume();
    answer.end();
  });
  #noted: Promise<void> = Promise.resolve();
  #relay: { port: number; ca: Buffer } | null = null;

  /** @returns where the box is to reach the relay. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Over its first campus's cable. To be called before the lab starts. */
  passToRelayOf({ world }: Lab): void {
    this.#relay = { port: world.ports.cableRelay, ca: readFileSync(world.keys.cloudCa) };
  }

  /** So far; infinitely much before the first batch. */
  get bytesPerTransaction(): number {
    const bytes = this.batches.reduce((sum, batch) => sum + batch.bytes, 0);
    const transactions = this.batches.reduce((sum, { firstSeq, lastSeq }) => sum + lastSeq - firstSeq + 1, 0);
    return transactions === 0 ? Number.POSITIVE_INFINITY : bytes / transactions;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(box: Socket): void {
    if (!this.#relay) throw new Error('the tap was not told where the relay is');
    const relay = connect({ host: '127.0.0.1', ...this.#relay });
    const copy = new Duplex({ read() {}, write: (_bytes, _encoding, done) => done() });
    this.#reader.emit('connection', copy);
    box.on('data', (part: Buffer) => copy.push(part));
    box.pipe(relay).pipe(box);
    for (const [socket, other] of [
      [box, relay],
      [relay, box],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
        copy.destroy();
      });
    }
  }

  /** A batch that was given up before the box had sent all of it was not sent. */
  async #note(asked: IncomingMessage): Promise<void> {
    const parts: Buffer[] = [];
    asked.on('data', (part: Buffer) => parts.push(part));
    await new Promise((resolve) => asked.once('close', resolve).once('end', resolve));
    if (!asked.complete) return;
    const body = Buffer.concat(parts);
    this.#noted = this.#noted.then(async () => {
      const transactions = transactionsIn(await decodeBatch(body));
      const [first, last] = [transactions[0], transactions.at(-1)];
      if (first && last) this.batches.push({ firstSeq: first.seq, lastSeq: last.seq, bytes: body.length });
    });
  }
}

export interface SentSummary {
  /** What the batches would weigh if each transaction had been sent once. */
  usefulBytes: number;
  /** Of what had been sent before. */
  repeatedBytes: number;
}

/** Where everything that was sent ended acknowledged. */
export function summarise(batches: readonly SentBatch[]): SentSummary {
  const summary = { usefulBytes: 0, repeatedBytes: 0 };
  let sentTo = 0;
  for (const { firstSeq, lastSeq, bytes } of batches) {
    const fresh = Math.max(0, lastSeq - Math.max(sentTo, firstSeq - 1)) / (lastSeq - firstSeq + 1);
    summary.usefulBytes += bytes * fresh;
    summary.repeatedBytes += bytes * (1 - fresh);
    sentTo = Math.max(sentTo, lastSeq);
  }
  return summary;
}
