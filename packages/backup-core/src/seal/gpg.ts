import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SealError } from './errors.ts';

export interface GpgDecryptor {
  /** Stock gpg with its agent: the key may be on a smartcard, and the agent asks for the passphrase. */
  kind: 'gpg';
  /** GNUPGHOME; the user's own when left out. */
  home?: string;
  /** `gpg` on the PATH when left out. */
  program?: string;
}

const maxStderrBytes = 64 * 1024;

/** What gpg prints; an error at the end when gpg was not content. */
export async function* decryptedByGpg(
  cipher: Readable,
  { home, program }: GpgDecryptor,
): AsyncGenerator<Buffer> {
  const homeOption = home === undefined ? [] : ['--homedir', home];
  const gpg = spawn(program ?? 'gpg', [...homeOption, '--batch', '--status-fd', '2', '--decrypt'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let report = '';
  gpg.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (report.length < maxStderrBytes) report += text;
  });
  const closed = once(gpg, 'close').catch((cause) => {
    throw new SealError('SEAL_GPG', `gpg could not be started: ${(cause as Error).message}`, { cause });
  });
  closed.catch(() => {});
  const fed = pipeline(cipher, gpg.stdin).catch((error: NodeJS.ErrnoException) => {
    // gpg closed its end first: its own report tells why.
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    gpg.kill();
    throw error;
  });
  fed.catch(() => {});
  try {
    yield* gpg.stdout;
    const [status] = (await closed) as [number | null];
    await fed;
    if (status !== 0 || !report.includes('[GNUPG:] GOODMDC')) throw refusal(report, status);
  } finally {
    gpg.kill();
    cipher.destroy();
  }
}

function refusal(report: string, status: number | null): SealError {
  if (report.includes('[GNUPG:] BADMDC'))
    return new SealError('SEAL_ALTERED', 'gpg: the MDC does not match.');
  const opened = report.includes('[GNUPG:] DECRYPTION_INFO');
  if (!opened && report.includes('[GNUPG:] NO_SECKEY') && !report.includes('pkdecrypt_failed'))
    return new SealError('SEAL_WRONG_KEY', 'gpg holds none of the private keys that open this object.');
  if (opened)
    return new SealError('SEAL_ALTERED', 'gpg: the sealed stream was altered or cut off.', {
      cause: new Error(readable(report)),
    });
  return new SealError('SEAL_GPG', `gpg ended with status ${status}: ${readable(report)}`);
}

function readable(report: string): string {
  const lines = report.split('\n').filter((line) => line !== '' && !line.startsWith('[GNUPG:]'));
  return lines.slice(-5).join('; ');
}
