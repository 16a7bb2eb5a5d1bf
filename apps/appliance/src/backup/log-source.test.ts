import { expect, test } from 'vitest';
import { logSource } from './log-source.ts';

const lines = Array.from({ length: 10 }, (_, i) => `line ${i + 1}`);
const log = {
  epoch: 'e',
  lastSeq: 10,
  firstSeq: 3,
  read(seq: number, _bytes: number, most: number) {
    const some = lines.slice(seq, seq + Math.min(most, 4));
    return some.length === 0
      ? null
      : { lines: some, bytes: 0, firstSeq: seq + 1, lastSeq: seq + some.length };
  },
};

test('a range of the log is given line by line, both ends included, over as many slices as it takes', () => {
  const source = logSource(log);
  expect([source.epoch, source.first(), source.head()]).toEqual(['e', 3, 10]);
  expect([...(source.read(3, 9) as Iterable<string>)]).toEqual(lines.slice(2, 9));
  expect([...(source.read(4, 4) as Iterable<string>)]).toEqual(['line 4']);
});
