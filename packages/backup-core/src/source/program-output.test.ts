import { expect, test } from 'vitest';
import { programOutput } from './program-output.ts';

function shell(script: string, options: { stallMs?: number; signal?: AbortSignal } = {}) {
  const { stallMs = 60_000, signal = new AbortController().signal } = options;
  return programOutput({ path: '/bin/sh', args: ['-c', script], env: {}, stallMs, signal });
}

const read = async (stream: ReturnType<typeof shell>) => Buffer.concat(await stream.toArray());

test('what a program writes comes whole, in pieces that are worth their while', async () => {
  const stream = shell(
    'i=0; while [ $i -lt 300 ]; do printf "%01000d" $i; i=$((i+1)); done; head -c 3000000 /dev/zero',
  );
  const pieces: Buffer[] = await stream.toArray();
  expect(Buffer.concat(pieces)).toHaveLength(3_300_000);
  expect(pieces.length).toBeLessThan(20);
});

test('a program that fails makes the stream fail, with its last words', async () => {
  await expect(read(shell('echo half; echo no such table >&2; exit 3'))).rejects.toMatchObject({
    code: 'SOURCE_FAILED',
    message: expect.stringMatching(/code 3: no such table/),
  });
});

test('a program that was killed, or is not there, makes the stream fail', async () => {
  await expect(read(shell('echo half; kill -9 $$'))).rejects.toThrow(/SIGKILL/);
  const missing = { path: '/nowhere/pg_dump', args: [], env: {}, stallMs: 1_000 };
  await expect(
    read(programOutput({ ...missing, signal: new AbortController().signal })),
  ).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
});

test('a program that falls silent is ended and said to have stalled, also after its first words', async () => {
  const silent = 'head -c 1000000 /dev/zero; exec sleep 60';
  await expect(read(shell(silent, { stallMs: 200 }))).rejects.toMatchObject({ code: 'SOURCE_STALLED' });
});

test('a reader that stops ends the program', async () => {
  const stream = shell('while :; do printf "%01000d" 1; done');
  for await (const chunk of stream) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  expect(stream.destroyed).toBe(true);
});
