/**
 * Seals what lies in the incoming folders: WAL and histories that the archive took, proofs that a drill left. A file is
 * removed when its object is in the spool, so a crash in between makes nothing twice: the spool knows what it was made of.
 * A segment that can be read where Postgres has it is sealed from there, before Postgres hears yes.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../schedule/clock.ts';
import type { Elsewhere } from '../source/source.ts';
import { WalError } from '../source/wal/errors.ts';
import { headerBytes, readSegmentHeader } from '../source/wal/segment-header.ts';
import type { SegmentInPlace } from '../source/wal/wal-in-place.ts';
import { type TakenFile, takenFiles } from '../source/wal/wal-inbox.ts';
import { segmentRange } from '../source/wal/wal-name.ts';
import { watchFolder } from '../spool/watch-folder.ts';
import { type Sealing, sealIntoSpool } from './sealing.ts';

/** As many as there are cores on the smallest box. */
const sealersAtOnce = 2;
/** What could not be sealed is tried again after this. */
const retryMs = 10_000;

export interface IntakeOptions {
  readonly sealing: Sealing;
  readonly clock: Clock;
  readonly folders: { readonly wal: string; readonly proof: string };
  /** Of the server whose histories come; null while it is not known. */
  readonly systemIdentifier: () => string | null;
}

export async function runIntake(options: IntakeOptions, signal: AbortSignal): Promise<void> {
  const { folders, clock } = options;
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  let wake = () => undefined as unknown;
  let isNew = true;
  const notice = () => {
    isNew = true;
    wake();
  };
  for (const folder of Object.values(folders)) await watchFolder(folder, notice, signal);
  while (!signal.aborted) {
    isNew = false;
    const left = await sealAll(options, signal);
    if (isNew) continue;
    const noticed = new Promise<void>((done) => {
      wake = () => done();
    });
    const rest = new AbortController();
    await Promise.race([
      noticed,
      clock.sleep(left ? retryMs : retryMs * 6, AbortSignal.any([signal, rest.signal])),
    ]);
    rest.abort();
  }
}

/** @returns whether something is left that could not be sealed. */
async function sealAll(options: IntakeOptions, signal: AbortSignal): Promise<boolean> {
  const work = [
    ...takenFiles(options.folders.wal).map((file) => () => sealWal(options, file, signal)),
    ...proofs(options.folders.proof).map((file) => () => sealProof(options, file, signal)),
  ];
  let isLeft = false;
  const sealer = async () => {
    for (let next = work.shift(); next && !signal.aborted; next = work.shift())
      isLeft = !(await next()) || isLeft;
  };
  await Promise.all(Array.from({ length: sealersAtOnce }, sealer));
  return isLeft;
}

async function sealWal(options: IntakeOptions, file: TakenFile, signal: AbortSignal): Promise<boolean> {
  const { sealing } = options;
  try {
    const known = await describe(options, file);
    if (known === null) return false;
    const { system, kind, what, about } = known;
    if (sealing.spool.takenSha256(system, file.name.file) !== file.sha256) {
      const bytes = bytesOf(file.path);
      const taken = { system, file: file.name.file, sha256: file.sha256 };
      const common = { what, bytes, plainSha256: file.sha256, addedWith: { taken } };
      await sealIntoSpool(sealing, { kind, about: async () => about, ...common }, signal);
    }
    await rm(file.path);
    return true;
  } catch (error) {
    if (!signal.aborted) sealing.tell({ event: 'seal-failed', file: file.name.file, error: error as Error });
    return false;
  }
}

/** @returns whether its object is in the spool; what prevented it is told, unless it is the segment itself. */
export async function sealSegmentInPlace(
  sealing: Sealing,
  segment: SegmentInPlace,
  signal: AbortSignal,
): Promise<boolean> {
  const { file, path, fd, header, requireUntouched } = segment;
  const about = async () => {
    await requireUntouched();
    const modified = new Date(Math.min(segment.modified.getTime(), sealing.now()));
    return aboutSegment({ ...segment, modified });
  };
  const bytes = bytesOf(path.toString(), fd);
  const common = { what: { segment: file }, bytes, plainBytes: header.segmentBytes, about };
  try {
    await sealIntoSpool(sealing, { kind: 'wal', ...common }, signal);
    return true;
  } catch (error) {
    if (signal.aborted || error instanceof WalError) throw error;
    sealing.tell({ event: 'seal-failed', file, error: error as Error });
    return false;
  }
}

function bytesOf(path: string, fd?: number): Elsewhere {
  return { plain: { from: 'file', path, ...(fd !== undefined && { fd }) }, ended: () => undefined };
}

type Segment = Pick<SegmentInPlace, 'file' | 'timeline' | 'header' | 'modified'>;

function aboutSegment({ file, timeline, header, modified }: Segment) {
  const { systemIdentifier, segmentBytes } = header;
  const place = segmentRange(file, segmentBytes);
  return { systemIdentifier, timeline, segment: file, ...place, closedAt: modified.toISOString() };
}

async function describe({ systemIdentifier }: IntakeOptions, { path, name, modified }: TakenFile) {
  const { file, timeline } = name;
  if (name.kind === 'segment') {
    const header = await headerOf(path, file);
    const about = aboutSegment({ file, timeline, header, modified });
    return { system: header.systemIdentifier, kind: 'wal' as const, what: { segment: file }, about };
  }
  const system = systemIdentifier();
  if (system === null) return null;
  const about = { systemIdentifier: system, timeline, file };
  return { system, kind: 'history' as const, what: { history: file }, about };
}

async function headerOf(path: string, name: string) {
  const file = await open(path, 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
    return readSegmentHeader(name, buffer, (await file.stat()).size);
  } finally {
    await file.close();
  }
}

/** `<drill>.json`, put there by renaming. */
function proofs(folder: string): { path: string; drill: string }[] {
  return readdirSync(folder)
    .filter((entry) => /^[A-Za-z0-9._-]{1,100}\.json$/.test(entry))
    .map((entry) => ({ path: join(folder, entry), drill: entry.slice(0, -'.json'.length) }));
}

async function sealProof(
  { sealing }: IntakeOptions,
  { path, drill }: { path: string; drill: string },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const key = `proof:${drill}`;
    if (sealing.spool.fact(key) === null) {
      const what = new Date(sealing.now());
      const proof = {
        kind: 'proof' as const,
        what,
        about: async () => ({ drill }),
        addedWith: { facts: { [key]: what.toISOString() } },
      };
      await sealIntoSpool(sealing, { ...proof, bytes: bytesOf(path) }, signal);
    }
    await rm(path);
    return true;
  } catch (error) {
    if (!signal.aborted) sealing.tell({ event: 'seal-failed', file: drill, error: error as Error });
    return false;
  }
}
