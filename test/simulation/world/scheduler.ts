/**
 * Virtual time. Events run one after the other, by time and then in the order in which they were planned; between two events
 * every promise that can go on has gone on. So one seed gives one history, whatever the machine does meanwhile.
 */
interface Event {
  atUs: number;
  order: number;
  run(): void;
}

/** Far more than any history needs. */
const maxEvents = 150_000;

export type Ending = 'done' | 'idle' | 'late';

export class Scheduler {
  readonly #heap: Event[] = [];
  #order = 0;
  #nowUs: number;
  #failure: { error: unknown } | null = null;

  /** @param startUs Microseconds since 1970-01-01 UTC. */
  constructor(startUs: number) {
    this.#nowUs = startUs;
  }

  /** True time, microseconds since 1970-01-01 UTC. */
  get nowUs(): number {
    return this.#nowUs;
  }

  /** How many events have been planned so far. */
  get planned(): number {
    return this.#order;
  }

  after(delayUs: number, run: () => void): void {
    this.#push({ atUs: this.#nowUs + Math.max(0, Math.round(delayUs)), order: this.#order++, run });
  }

  /** Ends the run with this error: something happened that no simulated fault explains. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Runs until `done`, until nothing is planned any more, or until that much time has passed. */
  run(done: () => boolean, limitUs: number): Promise<Ending> {
    const deadlineUs = this.#nowUs + limitUs;
    return new Promise((resolve, reject) => {
      const turn = () => {
        if (this.#failure) return reject(this.#failure.error);
        if (done()) return resolve('done');
        const next = this.#heap[0];
        if (!next) return resolve('idle');
        if (this.#order > maxEvents) return reject(new Error('the world turns in circles'));
        if (next.atUs > deadlineUs) {
          this.#nowUs = deadlineUs;
          return resolve('late');
        }
        this.#pop();
        this.#nowUs = next.atUs;
        try {
          next.run();
        } catch (error) {
          return reject(error);
        }
        // Every promise that this event has settled goes on before the next turn.
        setImmediate(turn);
      };
      setImmediate(turn);
    });
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.atUs < other.atUs || (one.atUs === other.atUs && one.order < other.order);
}
