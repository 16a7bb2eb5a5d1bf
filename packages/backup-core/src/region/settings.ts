import { inspect } from 'node:util';

const MIB = 1024 * 1024;
/** S3's own bounds. */
export const LEAST_PART_BYTES = 5 * MIB;
const MOST_PARTS = 10_000;

export const DEFAULT_PART_BYTES = LEAST_PART_BYTES;
/** What this size or less is sent by one request, and from its beginning again after a cut: four minutes of 256 kbit/s. */
export const WHOLE_BYTES = 8 * MIB;

export interface RegionSettings {
  /** For people: `paris`, `douala`. */
  readonly name: string;
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: RegionCredentials;
  /** Part of the signature; most servers take any. */
  readonly signingRegion?: string;
  /** `https://endpoint/bucket/name`, which every server understands; false for `https://bucket.endpoint/name`. */
  readonly pathStyle?: boolean;
  /** Where the abilities are remembered; null: probed once in each process. */
  readonly abilitiesFile: string | null;
  /** Names of probes begin with this, for credentials that may write only there. */
  readonly probePrefix?: string;
  /** COMPLIANCE cannot be undone by anybody, the provider included. */
  readonly lockMode?: 'GOVERNANCE' | 'COMPLIANCE';
  /** What is no larger is sent by one request then. */
  readonly partBytes?: number;
  readonly partsAtOnce?: number;
  readonly timeouts?: Partial<RegionTimeouts>;
}

export interface RegionTimeouts {
  readonly connectMs: number;
  /** No byte in either direction for this long. */
  readonly idleMs: number;
}

export const defaultTimeouts: RegionTimeouts = { connectMs: 15_000, idleMs: 60_000 };

/** Keeps its secret out of logs and inspections. */
export class RegionCredentials {
  readonly accessKeyId: string;
  readonly #secretAccessKey: string;

  constructor(accessKeyId: string, secretAccessKey: string) {
    this.accessKeyId = accessKeyId;
    this.#secretAccessKey = secretAccessKey;
  }

  reveal(): { accessKeyId: string; secretAccessKey: string } {
    return { accessKeyId: this.accessKeyId, secretAccessKey: this.#secretAccessKey };
  }

  toJSON(): string {
    return `credentials of ${this.accessKeyId}`;
  }

  [inspect.custom](): string {
    return this.toJSON();
  }
}

/** As asked, but large enough for the object to fit into the number of parts that S3 allows. */
export function partBytesFor(bytes: number, wanted = DEFAULT_PART_BYTES): number {
  const least = Math.max(LEAST_PART_BYTES, wanted);
  return Math.max(least, Math.ceil(bytes / MOST_PARTS / MIB) * MIB);
}

/** What this size or less is sent by one request. */
export function wholeBytesFor(wanted: number | undefined): number {
  return wanted === undefined ? WHOLE_BYTES : partBytesFor(0, wanted);
}
