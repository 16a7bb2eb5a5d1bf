/** Postgres's own manifest of a base backup: read, checked against itself, and held against the files that really came. */
import { createHash } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { SourceError } from './errors.ts';
import type { TarredFile } from './tar-walk.ts';

const Manifest = Type.Object({
  Files: Type.Array(
    Type.Object({
      Path: Type.Optional(Type.String()),
      'Encoded-Path': Type.Optional(Type.String()),
      Size: Type.Integer(),
      'Checksum-Algorithm': Type.Optional(Type.String()),
      Checksum: Type.Optional(Type.String()),
    }),
  ),
  'WAL-Ranges': Type.Array(
    Type.Object({ Timeline: Type.Integer(), 'Start-LSN': Type.String(), 'End-LSN': Type.String() }),
    { minItems: 1 },
  ),
  'Manifest-Checksum': Type.String(),
});
type Manifest = Static<typeof Manifest>;

export interface BaseRange {
  readonly timeline: number;
  readonly startLsn: string;
  readonly stopLsn: string;
  readonly manifestSha256: string;
}

/** @throws SourceError SOURCE_MISMATCH naming the first file that is missing, other, or not in the manifest. */
export function checkBase(manifestBytes: Buffer, files: ReadonlyMap<string, TarredFile>): BaseRange {
  const manifest = parse(manifestBytes);
  const listed = new Set<string>();
  for (const file of manifest.Files) {
    const path = file.Path ?? Buffer.from(file['Encoded-Path'] ?? '', 'hex').toString('utf8');
    listed.add(path);
    const came = files.get(path);
    if (!came) throw mismatch(`${path} is in its manifest but did not come`);
    if (came.bytes !== file.Size) throw mismatch(`${path} has ${came.bytes} bytes instead of ${file.Size}`);
    if (file['Checksum-Algorithm'] !== 'SHA256') throw mismatch(`${path} has no SHA-256 in its manifest`);
    if (came.sha256 !== file.Checksum) throw mismatch(`${path} differs from its checksum`);
  }
  for (const path of files.keys())
    if (path !== 'backup_manifest' && !listed.has(path))
      throw mismatch(`${path} came but is not in its manifest`);
  const ranges = manifest['WAL-Ranges'];
  const first = ranges[0] as Manifest['WAL-Ranges'][number];
  const last = ranges.at(-1) as Manifest['WAL-Ranges'][number];
  return {
    timeline: last.Timeline,
    startLsn: first['Start-LSN'],
    stopLsn: last['End-LSN'],
    manifestSha256: createHash('sha256').update(manifestBytes).digest('hex'),
  };
}

function parse(bytes: Buffer): Manifest {
  const lastLine = bytes.lastIndexOf('\n"Manifest-Checksum"');
  const checksum = createHash('sha256')
    .update(bytes.subarray(0, lastLine + 1))
    .digest('hex');
  let manifest: unknown;
  try {
    manifest = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw mismatch('its manifest cannot be read', { cause });
  }
  if (!Value.Check(Manifest, manifest)) throw mismatch('its manifest has another shape');
  if (manifest['Manifest-Checksum'] !== checksum)
    throw mismatch('its manifest differs from its own checksum');
  return manifest;
}

function mismatch(what: string, options?: ErrorOptions): SourceError {
  return new SourceError('SOURCE_MISMATCH', `The base backup was refused: ${what}.`, options);
}
