import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

const tick = () => new Promise((resolve) => setImmediate(resolve));

it('a turn begins when the ones before it are over, in whatever order they end', async () => {
  const turns = new Turns();
  const [first, second, third] = [turns.take('mvan'), turns.take('mvan'), turns.take('mvan')];
  const begun: string[] = [];
  void first.begins.then(() => begun.push('first'));
  void second.begins.then(() => begun.push('second'));
  void third.begins.then(() => begun.push('third'));
  await tick();
  expect(begun).toEqual(['first']);
  second.end();
  await tick();
  expect(begun).toEqual(['first']);
  first.end();
  await tick();
  expect(begun).toEqual(['first', 'second', 'third']);
});

it('campuses do not wait for one another', async () => {
  const turns = new Turns();
  turns.take('mvan');
  await expect(turns.take('bafia').begins).resolves.toBeUndefined();
});
