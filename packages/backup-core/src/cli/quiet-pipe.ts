/**
 * Who reads the output may stop reading (`skooly-backup list | head`): what is written afterwards goes nowhere, and the command
 * goes on to its own end and exit code, since a restore must not be cut short by its reader. Any other failure of the stream stays one.
 */
export function quietPipe(...streams: readonly NodeJS.WritableStream[]): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}
