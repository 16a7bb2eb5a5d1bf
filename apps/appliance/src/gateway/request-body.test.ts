import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { hasBody, ReplayBudget, type RequestBody, readRequestBody } from './request-body.ts';

function arriving(headers: Record<string, string>) {
  const stream = new PassThrough();
  return { stream, request: Object.assign(stream, { headers }) as never };
}

async function all(body: RequestBody): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body.content as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const limits = { replayBodyBytes: 10 };

test('only a request that announces a body has one', () => {
  expect(hasBody(arriving({}).request)).toBe(false);
  expect(hasBody(arriving({ 'content-length': '0' }).request)).toBe(false);
  expect(hasBody(arriving({ 'content-length': '3' }).request)).toBe(true);
  expect(hasBody(arriving({ 'transfer-encoding': 'chunked' }).request)).toBe(true);
});

test('a short body is kept, and its memory comes back once', async () => {
  const budget = new ReplayBudget(10);
  const { stream, request } = arriving({ 'transfer-encoding': 'chunked' });
  stream.write('ab');
  stream.end('cd');
  const body = await readRequestBody(request, limits, budget);
  expect(body).toMatchObject({ bytes: 4, kept: true });
  expect(String(body.content)).toBe('abcd');
  expect(budget.take(7)).toBe(false);
  body.release();
  body.release();
  expect(budget.take(10)).toBe(true);
  expect(budget.take(1)).toBe(false);
});

test('a body that proves too long is streamed from its beginning, and keeps no memory', async () => {
  const budget = new ReplayBudget(10);
  const { stream, request } = arriving({ 'transfer-encoding': 'chunked' });
  stream.write('0123456');
  stream.write('789abc');
  const body = await readRequestBody(request, limits, budget);
  expect(body).toMatchObject({ bytes: null, kept: false, started: false });
  stream.end('def');
  expect(await all(body)).toBe('0123456789abcdef');
  expect(body.started).toBe(true);
  expect(budget.take(10)).toBe(true);
});

test('a body that announces itself as too long, or comes when the memory is used up, is not read at all', async () => {
  const budget = new ReplayBudget(4);
  for (const [length, used] of [
    ['11', 0],
    ['4', 1],
  ] as const) {
    expect(budget.take(used)).toBe(true);
    const { stream, request } = arriving({ 'content-length': length });
    const body = await readRequestBody(request, limits, budget);
    expect(body).toMatchObject({ bytes: Number(length), kept: false });
    expect(stream.readableFlowing).toBeNull();
  }
});

test('a user who goes away in mid-body costs no memory', async () => {
  const budget = new ReplayBudget(10);
  const { stream, request } = arriving({ 'content-length': '9' });
  stream.write('abc');
  const reading = readRequestBody(request, limits, budget);
  stream.destroy();
  await expect(reading).rejects.toThrow('went away');
  expect(budget.take(10)).toBe(true);
});
