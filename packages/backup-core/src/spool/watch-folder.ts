/**
 * Watches a folder that sources put finished files into, by renaming them there. What was there before is told as well, so
 * nothing depends on a notice: after a crash the folder itself says what is to be done.
 */
import { mkdirSync } from 'node:fs';
import { watch } from 'chokidar';

export async function watchFolder(folder: string, onFile: () => void, signal: AbortSignal): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const watcher = watch(folder, { depth: 0, ignoreInitial: true, ignorePermissionErrors: true });
  watcher.on('add', onFile).on('error', onFile);
  await new Promise<void>((ready) => watcher.once('ready', ready));
  // What came between the last look and the first notice.
  onFile();
  signal.addEventListener('abort', () => void watcher.close(), { once: true });
  if (signal.aborted) await watcher.close();
}
