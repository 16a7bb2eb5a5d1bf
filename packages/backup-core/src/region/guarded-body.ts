/** An answer's bytes, with errors of this room: a stream that breaks off or ends early never looks complete. */
import { PassThrough, type Readable } from 'node:stream';
import { RegionError } from './errors.ts';
import { judgeError } from './judge-error.ts';

export function guardedBody(
  body: Readable,
  bytes: number,
  about: { region: string; name: string; signal?: AbortSignal | undefined },
): Readable {
  const { region, name, signal } = about;
  let got = 0;
  const guarded = new PassThrough({
    highWaterMark: 256 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      got += chunk.length;
      done(null, chunk);
    },
    flush(done) {
      if (got === bytes) done();
      else done(brokenOff(new Error(`${got} of ${bytes} bytes`)));
    },
    destroy(error, done) {
      body.destroy();
      done(error);
    },
  });
  const brokenOff = (cause: Error) =>
    new RegionError('REGION_UNREACHABLE', region, `broke off in the middle of ${name}`, {
      cause: judgeError(cause, region).cause,
    });
  body.on('error', (error) => guarded.destroy(signal?.aborted ? (signal.reason as Error) : brokenOff(error)));
  body.on('close', () => {
    if (!body.readableEnded && !guarded.destroyed) guarded.destroy(brokenOff(new Error('closed early')));
  });
  return body.pipe(guarded);
}
