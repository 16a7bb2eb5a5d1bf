import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { asideMs, largeBatchBytes, StepAside } from './step-aside.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

function open() {
  const calls: string[] = [];
  const aside = new StepAside({ pause: () => calls.push('pause'), resume: () => calls.push('resume') });
  return { aside, calls };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test('the writer steps aside while a large batch is at work, and reads on soon after', async () => {
  const { aside, calls } = open();
  const over = aside.batch(largeBatchBytes);
  expect(calls).toEqual(['pause']);
  await pass(asideMs / 2);
  over();
  expect(calls).toEqual(['pause']);
  await pass(asideMs / 10);
  expect(calls).toEqual(['pause', 'resume']);
});

test('it stays aside from one batch of a campus to the next', async () => {
  const { aside, calls } = open();
  const first = aside.batch(largeBatchBytes);
  await pass(100);
  first();
  first();
  await pass(10);
  aside.batch(largeBatchBytes);
  await pass(200);
  expect(calls).toEqual(['pause']);
});

test('a small batch holds nothing up', async () => {
  const { aside, calls } = open();
  aside.batch(largeBatchBytes - 1)();
  await pass(asideMs);
  expect(calls).toEqual([]);
});

test('however much is at work, it reads half of the time', async () => {
  const { aside, calls } = open();
  aside.batch(largeBatchBytes);
  await pass(asideMs + 1);
  expect(calls).toEqual(['pause', 'resume']);
  aside.batch(largeBatchBytes);
  await pass(asideMs - 10);
  expect(calls).toEqual(['pause', 'resume']);
  await pass(10);
  expect(calls).toEqual(['pause', 'resume', 'pause']);
});

test('whoever waits for the feed makes it read at once, and on', async () => {
  const { aside, calls } = open();
  aside.batch(largeBatchBytes);
  aside.readOn();
  await pass(1);
  expect(calls).toEqual(['pause', 'resume']);
  aside.batch(largeBatchBytes);
  await pass(asideMs / 2);
  aside.readOn();
  await pass(asideMs - 1);
  expect(calls).toEqual(['pause', 'resume']);
  await pass(2);
  expect(calls).toEqual(['pause', 'resume', 'pause']);
});
