/**
 * Has segments sealed from where Postgres has them, and the next one already while Postgres waits for its answer to this one: it asks for one at
 * a time, but says with `archive_status/<segment>.ready` that the next is as finished. When it asks for that one, it is taken already,
 * provided that it is still the same file and nobody wrote to it since.
 */
import { access } from 'node:fs/promises';
import { OpenedFile, type Place, type SegmentInPlace } from './wal-in-place.ts';
import { nextSegment, type WalName } from './wal-name.ts';

export interface SealInPlaceOptions {
  /** Whose files may be read where they lie. */
  readonly ownerUid: number | undefined;
  /** @throws WalError WAL_FOREIGN */
  requireOurs(file: string, systemIdentifier: string): Promise<void>;
  /** @throws WalError WAL_SPOOL_FULL */
  requireRoom(bytes: number): void | Promise<void>;
  /** @throws WalError when the file is being taken already. */
  alone<T>(file: string, work: () => Promise<T>): Promise<T>;
  /** Whether none of this name was taken before. */
  isNew(file: string): Promise<boolean>;
  /** Durable when it resolves. @returns false when it could not be sealed. */
  seal(segment: SegmentInPlace): Promise<boolean>;
}

interface Begun {
  readonly file: string;
  readonly inode: bigint;
  readonly writtenAt: bigint;
  readonly isSealed: Promise<boolean>;
}

export class SealInPlace {
  readonly #options: SealInPlaceOptions;
  /** What was sealed ahead last. */
  #ahead: Begun | null = null;

  constructor(options: SealInPlaceOptions) {
    this.#options = options;
  }

  /** @returns false when its bytes must be sent. */
  async take(name: WalName, { path, bytes, inode }: Place): Promise<boolean> {
    await using opened = await OpenedFile.open(path, this.#options.ownerUid);
    if (opened?.inode !== inode || opened.bytes !== bytes) return false;
    const ahead = this.#ahead;
    const isSealed = isSame(ahead, name.file, opened) ? ahead.isSealed : this.#seal(name, opened);
    // It is met where it is awaited.
    isSealed.catch(() => undefined);
    await this.#beginNext(name, path, bytes).catch(() => undefined);
    return await isSealed;
  }

  async #seal({ file, timeline }: WalName, opened: OpenedFile): Promise<boolean> {
    const { alone, isNew, requireOurs, requireRoom, seal } = this.#options;
    return await alone(file, async () => {
      if (!(await isNew(file))) return false;
      const segment = await opened.segment(file, timeline);
      await requireOurs(file, segment.header.systemIdentifier);
      await requireRoom(opened.bytes);
      return await seal(segment);
    });
  }

  /** What prevents it is met again, and told, when it is asked for. */
  async #beginNext(name: WalName, path: Buffer, bytes: number): Promise<void> {
    const next = { ...name, file: nextSegment(name.file, bytes) };
    if (this.#ahead?.file === next.file) return;
    const folder = path.subarray(0, path.lastIndexOf('/') + 1);
    await access(Buffer.concat([folder, Buffer.from(`archive_status/${next.file}.ready`)]));
    const place = Buffer.concat([folder, Buffer.from(next.file)]);
    const opened = await OpenedFile.open(place, this.#options.ownerUid);
    if (!opened) return;
    const isSealed = this.#seal(next, opened).finally(() => opened[Symbol.asyncDispose]());
    const begun = { file: next.file, inode: opened.inode, writtenAt: opened.writtenAt, isSealed };
    this.#ahead = begun;
    const forget = () => {
      if (this.#ahead === begun) this.#ahead = null;
    };
    isSealed.then((isDone) => isDone || forget(), forget);
  }
}

function isSame(ahead: Begun | null, file: string, { inode, writtenAt }: OpenedFile): ahead is Begun {
  return ahead?.file === file && ahead.inode === inode && ahead.writtenAt === writtenAt;
}
