/**
 * How archive_command finds and knows the daemon: a file with the port and two random words, one by which the daemon knows
 * who asks, one by which the asker knows the daemon. A program that took the port while the daemon was down cannot say yes.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { chownSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';

const commandFile = fileURLToPath(new URL('archive-wal.bash', import.meta.url));

export class ArchiveWords {
  readonly #ask: string;
  readonly #answer: string;

  constructor(ask: string, answer: string) {
    this.#ask = ask;
    this.#answer = answer;
  }

  isAsked(authorization: string | undefined): boolean {
    const given = Buffer.from(authorization ?? '');
    const wanted = Buffer.from(`Bearer ${this.#ask}`);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  /** What is said of a file that is safe. */
  safe(file: string, bytes: number): string {
    return `${this.#answer} ${file} ${bytes}`;
  }

  line(port: number): string {
    return `${port} ${this.#ask} ${this.#answer}\n`;
  }

  toJSON(): string {
    return 'archive words';
  }

  [inspect.custom](): string {
    return this.toJSON();
  }
}

/** The words that the file has, or new ones: a restart of the daemon changes the port only. */
export function archiveWords(accessFile: string): ArchiveWords {
  try {
    const [, ask, answer] = readFileSync(accessFile, 'utf8').trim().split(' ');
    if (ask && answer) return new ArchiveWords(ask, answer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const word = () => randomBytes(24).toString('base64url');
  return new ArchiveWords(word(), word());
}

/** @param readers The group of the Postgres server's user, when the daemon is another user. */
export function writeArchiveAccess(
  accessFile: string,
  words: ArchiveWords,
  port: number,
  readers?: { readonly uid: number; readonly gid: number },
): void {
  const beside = `${accessFile}.new`;
  const file = openSync(beside, 'w', 0o600);
  writeFileSync(file, words.line(port));
  fsyncSync(file);
  closeSync(file);
  if (readers) chownSync(beside, readers.uid, readers.gid);
  renameSync(beside, accessFile);
}

/** For postgresql.conf; both paths must be ones that the server's user may enter. */
export function archiveCommand(accessFile: string, script = commandFile): string {
  return `/bin/bash ${shellWord(script)} ${shellWord(accessFile)} "%p" "%f"`;
}

function shellWord(path: string): string {
  return `'${path.replaceAll("'", `'\\''`).replaceAll('%', '%%')}'`;
}
