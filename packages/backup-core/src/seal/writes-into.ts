import type { Transform } from 'node:stream';

/** Writes into a stream, each of which ends, also when the stream fails meanwhile or is given up: then with an error. */
export function writesInto(stream: Transform): (piece: Buffer) => Promise<void> {
  const waiting = new Set<(error: Error) => void>();
  stream.once('close', () => {
    for (const end of waiting) end(stream.errored ?? new Error('The stream was given up.'));
  });
  return (piece) =>
    new Promise<void>((resolve, reject) => {
      waiting.add(reject);
      stream.write(piece, (error) => {
        waiting.delete(reject);
        if (error) reject(stream.errored ?? error);
        else resolve();
      });
    });
}
