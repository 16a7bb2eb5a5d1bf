/**
 * Stands between the box and the cable and passes everything on, while it notes what is pushed: which transactions each batch held and what it
 * weighed. So a bench knows what was sent twice.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import { decodeBatch, transactionsIn } from '@skooly-edge/sync-protocol';
import type { Lab } from '../lab/lab.ts';

export interface SentBatch {
  firstSeq: number;
  lastSeq: number;
  bytes: number;
}

export class PushTap {
  /** In the order in which they began. */
  readonly batches: SentBatch[] = [];
  #agent: Agent | null = null;
  readonly #server = createServer((asked, answer) => this.#pass(asked, answer));
  #relay: URL | null = null;

  /** @returns where the box is to reach the relay. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Over its first campus's cable. To be called before the lab starts. */
  passToRelayOf({ world }: Lab): void {
    this.#relay = new URL(`https://127.0.0.1:${world.ports.cableRelay}`);
    this.#agent = new Agent({ keepAlive: true, ca: readFileSync(world.keys.cloudCa) });
  }

  /** So far; infinitely much before the first batch. */
  get bytesPerTransaction(): number {
    const bytes = this.batches.reduce((sum, batch) => sum + batch.bytes, 0);
    const transactions = this.batches.reduce((sum, { firstSeq, lastSeq }) => sum + lastSeq - firstSeq + 1, 0);
    return transactions === 0 ? Number.POSITIVE_INFINITY : bytes / transactions;
  }

  async close(): Promise<void> {
    this.#agent?.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(asked: IncomingMessage, answer: ServerResponse): void {
    const { method, url, headers } = asked;
    const onward = request(new URL(url ?? '/', this.#relay ?? undefined), {
      method,
      headers,
      agent: this.#agent ?? undefined,
    });
    const sent = method === 'POST' && url === '/v1/push' ? this.#note(asked) : null;
    onward.on('response', async (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.rawHeaders);
      await sent;
      pipeline(answered, answer, () => undefined);
    });
    onward.on('error', () => asked.socket.destroy());
    answer.on('close', () => {
      if (!answer.writableFinished) onward.destroy();
    });
    pipeline(asked, onward, () => undefined);
  }

  /** Read whole before it is judged: a batch that was given up on its way from the box was not sent. */
  async #note(asked: IncomingMessage): Promise<void> {
    const parts: Buffer[] = [];
    asked.on('data', (part: Buffer) => parts.push(part));
    await new Promise((resolve) => asked.once('close', resolve).once('end', resolve));
    if (!asked.complete) return;
    const body = Buffer.concat(parts);
    const transactions = transactionsIn(await decodeBatch(body));
    const [first, last] = [transactions[0], transactions.at(-1)];
    if (!first || !last) return;
    this.batches.push({ firstSeq: first.seq, lastSeq: last.seq, bytes: body.length });
  }
}

export interface SentSummary {
  /** What the batches would weigh if each transaction had been sent once. */
  usefulBytes: number;
  /** Of what had been sent before. */
  repeatedBytes: number;
  largestBytes: number;
}

/** Where everything that was sent ended acknowledged. */
export function summarise(batches: readonly SentBatch[]): SentSummary {
  const summary = { usefulBytes: 0, repeatedBytes: 0, largestBytes: 0 };
  let sentTo = 0;
  for (const { firstSeq, lastSeq, bytes } of batches) {
    const fresh = Math.max(0, lastSeq - Math.max(sentTo, firstSeq - 1)) / (lastSeq - firstSeq + 1);
    summary.usefulBytes += bytes * fresh;
    summary.repeatedBytes += bytes * (1 - fresh);
    summary.largestBytes = Math.max(summary.largestBytes, bytes);
    sentTo = Math.max(sentTo, lastSeq);
  }
  return summary;
}
