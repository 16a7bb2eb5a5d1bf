import { identify, type ProcessIdentity } from '../processes/identity.ts';
import { type LabState, writeState } from './state.ts';

/** Keeps the state file in step with what runs, so that a later lab finds what this one left behind. */
export class Recorder {
  readonly #file: string;
  #state: LabState;

  constructor(file: string, state: LabState) {
    this.#file = file;
    this.#state = state;
    writeState(file, state);
  }

  get state(): LabState {
    return this.#state;
  }

  change(change: Partial<LabState>): void {
    this.#state = { ...this.#state, ...change };
    writeState(this.#file, this.#state);
  }

  /** A process that ended at once is not worth a record. */
  spawned(name: string, pid: number): void {
    const identity = identify(pid);
    if (identity !== null) this.#processes({ ...this.#state.processes, [name]: identity });
  }

  ended(name: string): void {
    const { [name]: _, ...others } = this.#state.processes;
    this.#processes(others);
  }

  #processes(processes: Readonly<Record<string, ProcessIdentity>>): void {
    this.change({ processes });
  }
}
