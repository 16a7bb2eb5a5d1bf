import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { quietPipe } from './quiet-pipe.ts';

test('a reader that stopped reading is no error, any other failure is', () => {
  const stream = new PassThrough();
  quietPipe(stream);
  expect(() => stream.emit('error', Object.assign(new Error('gone'), { code: 'EPIPE' }))).not.toThrow();
  expect(() => stream.emit('error', Object.assign(new Error('full'), { code: 'ENOSPC' }))).toThrow('full');
});
