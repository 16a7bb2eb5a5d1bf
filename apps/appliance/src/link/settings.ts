/** How quickly the link believes bad and good news. */
export interface LinkSettings {
  /** From the start of one round of probes to the start of the next. */
  intervalMs: number;
  rest: RestSettings;
  /** The same while SUSPECT, or LOCAL and nobody answers: bad news is confirmed quickly, and so is the cable's return. Never more than `intervalMs`. */
  suspectIntervalMs: number;
  /** For one probe, from opening the connection to the whole answer. */
  timeoutMs: number;
  missesToLocal: number;
  refusalsToLocal: number;
  /** Good rounds one after the other, before catching up may begin. */
  hitsToCatchUp: number;
  brownOut: BrownOutSettings;
  holdDown: HoldDownSettings;
}

/** A link that is ONLINE and that nobody uses is probed seldom: probes would be most of what an idle box sends. */
export interface RestSettings {
  /** Nobody has used it for so long. */
  afterMs: number;
  /** Between two rounds. No less than the usual interval. */
  intervalMs: number;
}

export interface BrownOutSettings {
  /** 0 to 1. */
  lossRatio: number;
  p95Ms: number;
  windowMs: number;
}

export interface HoldDownSettings {
  minMs: number;
  maxMs: number;
  /** Each such period spent online halves what the hold-down had grown to. */
  decayMs: number;
}
