/**
 * Locks of rows and of index entries, as Postgres has them: FOR KEY SHARE, FOR SHARE, FOR NO KEY UPDATE (an update), FOR UPDATE
 * (also a delete). A circle of waiters is broken at once; who is marked as giving way is the one that loses.
 */
export type LockMode = 'keyShare' | 'share' | 'update' | 'exclusive';

export interface LockHolder {
  /** The one that is to lose when a circle has to be broken. */
  readonly givesWay: boolean;
}

export class DeadlockError extends Error {
  readonly code = '40P01';

  constructor() {
    super('deadlock detected');
    this.name = 'DeadlockError';
  }
}

interface Held {
  holder: LockHolder;
  mode: LockMode;
}

interface Waiter extends Held {
  key: string;
  granted(): void;
  denied(error: Error): void;
}

const excluded: Record<LockMode, readonly LockMode[]> = {
  keyShare: ['exclusive'],
  share: ['update', 'exclusive'],
  update: ['share', 'update', 'exclusive'],
  exclusive: ['keyShare', 'share', 'update', 'exclusive'],
};

function excludes(one: LockMode, other: LockMode): boolean {
  return excluded[one].includes(other);
}

/** Whether who holds the one needs not ask for the other. */
function includes(one: LockMode, other: LockMode): boolean {
  return excluded[other].every((mode) => excludes(one, mode));
}

export class Locks {
  readonly #held = new Map<string, Held[]>();
  readonly #queues = new Map<string, Waiter[]>();
  readonly #waiting = new Map<LockHolder, Waiter>();

  /**
   * @param onGranted Called at the moment at which the holder has it; not at all when it has as much already.
   * @returns null when there is nothing to wait for. @throws DeadlockError
   */
  take(holder: LockHolder, key: string, mode: LockMode, onGranted: () => void): Promise<void> | null {
    const held = this.#held.get(key) ?? [];
    if (held.some((lock) => lock.holder === holder && includes(lock.mode, mode))) return null;
    const mine = held.some((lock) => lock.holder === holder);
    const queue = this.#queues.get(key) ?? [];
    const isFree = !held.some((lock) => lock.holder !== holder && excludes(lock.mode, mode));
    if (isFree && (mine || !queue.some((waiter) => excludes(waiter.mode, mode)))) {
      this.#held.set(key, [...held, { holder, mode }]);
      onGranted();
      return null;
    }
    return new Promise((resolve, reject) => {
      const granted = () => {
        onGranted();
        resolve();
      };
      const waiter: Waiter = { holder, mode, key, granted, denied: reject };
      // Who holds a weaker lock already goes first, or it would wait for those who wait for it.
      this.#queues.set(key, mine ? [waiter, ...queue] : [...queue, waiter]);
      this.#waiting.set(holder, waiter);
      this.#breakCircle(holder);
    });
  }

  release(holder: LockHolder, key: string, mode: LockMode): void {
    const held = this.#held.get(key) ?? [];
    const index = held.findIndex((lock) => lock.holder === holder && lock.mode === mode);
    if (index < 0) return;
    const rest = held.filter((_, i) => i !== index);
    if (rest.length > 0) this.#held.set(key, rest);
    else this.#held.delete(key);
    this.#grant(key);
  }

  /** The holder waits no more; nobody tells it. */
  forget(holder: LockHolder): void {
    const waiter = this.#waiting.get(holder);
    if (!waiter) return;
    this.#unqueue(waiter);
    this.#grant(waiter.key);
  }

  #grant(key: string): void {
    for (const waiter of [...(this.#queues.get(key) ?? [])]) {
      const held = this.#held.get(key) ?? [];
      if (held.some((lock) => lock.holder !== waiter.holder && excludes(lock.mode, waiter.mode))) return;
      this.#unqueue(waiter);
      this.#held.set(key, [...held, { holder: waiter.holder, mode: waiter.mode }]);
      waiter.granted();
    }
  }

  #unqueue(waiter: Waiter): void {
    const rest = (this.#queues.get(waiter.key) ?? []).filter((other) => other !== waiter);
    if (rest.length > 0) this.#queues.set(waiter.key, rest);
    else this.#queues.delete(waiter.key);
    this.#waiting.delete(waiter.holder);
  }

  #breakCircle(from: LockHolder): void {
    const circle = this.#circle(from, from, new Set());
    if (!circle) return;
    const loser = circle.find((holder) => holder.givesWay) ?? from;
    const waiter = this.#waiting.get(loser) as Waiter;
    this.#unqueue(waiter);
    waiter.denied(new DeadlockError());
    this.#grant(waiter.key);
  }

  /** The holders on a way from `at` back to `target`, each waiting for the next. */
  #circle(at: LockHolder, target: LockHolder, seen: Set<LockHolder>): LockHolder[] | null {
    const waiter = this.#waiting.get(at);
    if (!waiter || seen.has(at)) return null;
    seen.add(at);
    for (const next of this.#blockersOf(waiter)) {
      if (next === target) return [at];
      const rest = this.#circle(next, target, seen);
      if (rest) return [at, ...rest];
    }
    return null;
  }

  #blockersOf(waiter: Waiter): LockHolder[] {
    const queue = this.#queues.get(waiter.key) ?? [];
    const ahead = queue.slice(0, queue.indexOf(waiter));
    return [...(this.#held.get(waiter.key) ?? []), ...ahead]
      .filter((lock) => lock.holder !== waiter.holder && excludes(lock.mode, waiter.mode))
      .map((lock) => lock.holder);
  }
}
