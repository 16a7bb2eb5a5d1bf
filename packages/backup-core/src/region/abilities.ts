import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What an endpoint really does, as opposed to what it answers 200 to. */
export interface Abilities {
  /** RFC 3339, by this host's clock. */
  readonly probedAt: string;
  readonly versioning: boolean;
  /** Whether a lock asked for with the object is there afterwards, or only when it is set by a second request. */
  readonly lock: 'with-object' | 'afterwards' | 'none';
  readonly lockOnMultipart: 'with-object' | 'afterwards' | 'none';
  readonly listParts: boolean;
  /** Which checksum the endpoint compares with what it received; it accepts a wrong one of the others. */
  readonly checksum: 'sha256' | 'md5' | 'none';
  /** Entity tags tell what was received: the MD5 of an object, or of the MD5s of its parts. */
  readonly etagIsMd5: boolean;
  readonly ifNoneMatch: boolean;
  /** How far the region's clock is ahead of this host's. */
  readonly clockSkewMs: number;
}

interface Remembered {
  readonly version: 1;
  readonly endpoint: string;
  readonly bucket: string;
  readonly abilities: Abilities;
}

/** Null when nothing is remembered of this bucket, or what is there cannot be read. */
export async function readAbilities(
  file: string,
  place: { endpoint: string; bucket: string },
): Promise<Abilities | null> {
  try {
    const remembered = JSON.parse(await readFile(file, 'utf8')) as Remembered;
    const isSame = remembered.endpoint === place.endpoint && remembered.bucket === place.bucket;
    return remembered.version === 1 && isSame ? remembered.abilities : null;
  } catch {
    return null;
  }
}

/** Whole or not at all. */
export async function writeAbilities(
  file: string,
  place: { endpoint: string; bucket: string },
  abilities: Abilities,
): Promise<void> {
  const { endpoint, bucket } = place;
  const remembered: Remembered = { version: 1, endpoint, bucket, abilities };
  await mkdir(dirname(file), { recursive: true });
  const handle = await open(`${file}.new`, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(remembered, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
}
