/**
 * The base backup into the folder: fetched, opened, unpacked by `tar` as the server's user, and held against Postgres's own
 * backup manifest. A region whose copy is damaged leaves nothing behind, and the next one begins afresh.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SealedObject } from '../format/object.ts';
import type { Poured } from '../thread/sink.ts';
import { RestoreError } from './errors.ts';
import { pourObject, type Reader } from './objects.ts';
import type { Owner } from './postgres/owner.ts';
import type { Programs } from './postgres/programs.ts';
import { runProgram } from './postgres/run-program.ts';

/** Of 512 bytes: what `tar` reads and writes at a time; 20 by itself. */
const blocksAtOnce = 512;

export interface UnpackOptions {
  readonly base: SealedObject<'base'>;
  readonly into: string;
  readonly reader: Reader;
  readonly programs: Programs;
  readonly owner: Owner;
  readonly signal: AbortSignal;
  onBytes(cipher: number): void;
  onVerify(): void;
}

export async function unpackBase(options: UnpackOptions): Promise<void> {
  const { base, into, reader, owner, signal, onBytes } = options;
  const how = ['--no-same-owner', '--preserve-permissions', `--blocking-factor=${blocksAtOnce}`];
  const args = ['--extract', '--file=-', `--directory=${into}`, ...how];
  await pourObject([base], reader, {
    sink: { to: 'program', path: 'tar', args, owner },
    signal,
    prepare: async () => {
      for (const left of await readdir(into)) await rm(join(into, left), { recursive: true });
    },
    judge: (tar) => judge(tar, into),
    onCipher: onBytes,
  });
  options.onVerify();
  await verifyBase(options);
}

function judge(tar: Poured, into: string): void {
  if (tar?.code === 0) return;
  const words = tar?.words ?? '';
  const full = /No space left on device/.test(words);
  const message = full ? `The disk of ${into} is full.` : `tar could not unpack it: ${words.trim()}`;
  throw new RestoreError(full ? 'RESTORE_FOLDER_UNUSABLE' : 'RESTORE_OBJECT_DAMAGED', message);
}

async function verifyBase({ base, into, programs, owner, signal }: UnpackOptions): Promise<void> {
  const verify = join(programs.folder, 'pg_verifybackup');
  const { code, words } = await runProgram(verify, ['--no-parse-wal', '--quiet', into], { owner, signal });
  if (code === 0) return;
  throw new RestoreError('RESTORE_BASE_DAMAGED', `pg_verifybackup refuses ${base.name}: ${words.trim()}`);
}
