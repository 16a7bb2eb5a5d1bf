/** What the writer and the reader of a sync log's file share. The file is described in FORMAT.md, "A sync log as a file". */

export const logFormat = 'skooly-edge/sync-log/1';

/** The first line of the file, as JSON. A line for each number follows, both ends included. */
export interface LogHead {
  readonly format: typeof logFormat;
  readonly site: string;
  readonly epoch: string;
  readonly fromSeq: number;
  readonly toSeq: number;
}

const lineFeed = 0x0a;

/**
 * Lines without their ends, cut by the byte: a line of the log may hold any character but a line feed, among them some that
 * other readers of lines take for an end. What follows the last line feed is a line only if it is not empty.
 */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun: Buffer[] = [];
  for await (const chunk of stream) {
    let at = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, at)) {
      const rest = chunk.subarray(at, end);
      yield begun.length === 0 ? rest : Buffer.concat([...begun, rest]);
      begun = [];
      at = end + 1;
    }
    if (at < chunk.length) begun.push(chunk.subarray(at));
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}
