/**
 * The submarine cable: a TCP proxy that all traffic between campus and cloud goes through, one listener for each service of the
 * cloud. It can be cut, healed, throttled, made slow and lossy, and counts the bytes of each direction.
 *
 * A cut is a black hole: connections stay, nothing moves, what was under way arrives after the heal, and new connections get no
 * answer until then. Since the system accepts connections for this process, a caller sees "connected" and then silence, where
 * a real black hole would leave it in the handshake. A cut with `refuse` closes the listeners and resets every connection.
 *
 * Loss is what TCP makes of it: programs never see a hole in a stream, they see it stand still until the lost segment was sent
 * again. So loss stalls one direction of one connection; there is no lost datagram here, and no congestion window.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { LabError } from '../errors.ts';
import { type Clock, systemClock } from './clock.ts';
import { Connection, type Target } from './connection.ts';
import { Lane } from './lane.ts';
import { retransmissionStallMs } from './loss.ts';
import { reshape, type Shape, UNSHAPED } from './shape.ts';

const MAX_CONNECTIONS = 10_000;

export type CableMode = 'up' | 'cut' | 'refused';

export interface CableStatus extends Shape {
  readonly mode: CableMode;
  /** From campus to cloud. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly connections: number;
}

interface Strand {
  readonly target: Target;
  readonly port: number;
  server: Server | null;
}

export class Cable {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #up: Lane;
  readonly #down: Lane;
  readonly #strands: Strand[] = [];
  readonly #connections = new Set<Connection>();
  readonly #bytes = { up: 0, down: 0 };
  #mode: CableMode = 'up';
  #shape: Shape = UNSHAPED;

  constructor(options: { clock?: Clock; random?: () => number } = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#up = new Lane(this.#clock);
    this.#down = new Lane(this.#clock);
  }

  /** Lays a strand to one service of the cloud; the answer is the port of 127.0.0.1 where campus reaches it. */
  async lay(target: Target, port = 0): Promise<number> {
    const server = await this.#listen(target, port);
    const address = server.address();
    const actual = typeof address === 'object' && address !== null ? address.port : port;
    this.#strands.push({ target, port: actual, server });
    if (this.#mode === 'refused') await this.#refuse();
    return actual;
  }

  /** May be called again, also to change from one kind of cut to the other. */
  async cut(options: { refuse?: boolean } = {}): Promise<void> {
    this.#setMode(options.refuse ? 'refused' : 'cut');
    if (options.refuse) await this.#refuse();
    else await this.#reopen();
  }

  async heal(): Promise<void> {
    await this.#reopen();
    this.#setMode('up');
    for (const connection of this.#connections) connection.resume();
  }

  shape(change: Partial<Shape>): void {
    this.#shape = reshape(this.#shape, change);
    this.#up.setBandwidth(this.#shape.kbps);
    this.#down.setBandwidth(this.#shape.kbps);
  }

  status(): CableStatus {
    const { up, down } = this.#bytes;
    return {
      mode: this.#mode,
      ...this.#shape,
      bytesUp: up,
      bytesDown: down,
      connections: this.#connections.size,
    };
  }

  /** Takes the cable away: nobody listens any more, every connection is reset. */
  async close(): Promise<void> {
    this.#setMode('refused');
    await this.#refuse();
    this.#strands.length = 0;
  }

  #setMode(mode: CableMode): void {
    this.#mode = mode;
    this.#up.setOpen(mode === 'up');
    this.#down.setOpen(mode === 'up');
  }

  async #refuse(): Promise<void> {
    const closed = this.#strands.map(closeServer);
    for (const connection of [...this.#connections]) connection.reset();
    await Promise.all(closed);
  }

  async #reopen(): Promise<void> {
    for (const strand of this.#strands) strand.server ??= await this.#listen(strand.target, strand.port);
  }

  #listen(target: Target, port: number): Promise<Server> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        this.#accept(socket, target),
      );
      server.on('error', (cause) => {
        const message = `The cable cannot listen on port ${port} of 127.0.0.1.`;
        reject(
          new LabError('PORT_TAKEN', message, 'Choose another port, or end what listens there.', { cause }),
        );
      });
      server.listen(port, '127.0.0.1', () => resolve(server));
    });
  }

  #accept(socket: Socket, target: Target): void {
    if (this.#connections.size >= MAX_CONNECTIONS) {
      socket.resetAndDestroy();
      return;
    }
    const connection: Connection = new Connection(socket, {
      target,
      clock: this.#clock,
      up: this.#up,
      down: this.#down,
      delayMs: (bytes) => this.#shape.rttMs / 2 + retransmissionStallMs(bytes, this.#shape, this.#random),
      rttMs: () => this.#shape.rttMs,
      isOpen: () => this.#mode === 'up',
      onDelivered: (direction, bytes) => {
        this.#bytes[direction] += bytes;
      },
      onClosed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}

function closeServer(strand: Strand): Promise<void> {
  const server = strand.server;
  strand.server = null;
  return new Promise((done) => {
    if (server === null) done();
    else server.close(() => done());
  });
}
