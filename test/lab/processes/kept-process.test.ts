import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { identify, isRunning } from './identity.ts';
import { KeptProcess } from './kept-process.ts';
import { endLeftovers } from './leftovers.ts';
import { launchServer, runToEnd } from './node-process.ts';

const script = join(import.meta.dirname, 'stand-in.ts');

describe('a kept process', () => {
  let dir: string;
  let said: string[];
  let pids: number[];
  let kept: KeptProcess;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'skooly-lab-test-'));
    said = [];
    pids = [];
    kept = keep(['serve', join(dir, 'ready')]);
  });
  afterEach(async () => {
    await kept.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  function keep(args: readonly string[]): KeptProcess {
    const ready = join(dir, 'ready');
    const command = { name: 'server', script, args, env: {}, logFile: join(dir, 'server.log') };
    const launch = (onSpawn: (pid: number) => void) => {
      rmSync(ready, { force: true });
      return launchServer(command, async () => existsSync(ready), onSpawn);
    };
    const hooks = {
      onSpawn: (_name: string, pid: number) => pids.push(pid),
      report: (line: string) => said.push(line),
    };
    return new KeptProcess({ name: 'server', launch }, hooks);
  }

  async function until(condition: () => boolean): Promise<void> {
    for (let round = 0; round < 400 && !condition(); round++) await sleep(25);
    expect(condition()).toBe(true);
  }

  test('is started once, however often it is asked for', async () => {
    await Promise.all([kept.start(), kept.start()]);
    await kept.start();
    expect(pids).toHaveLength(1);
    expect(kept.status()).toEqual({ name: 'server', state: 'running', pid: pids[0], restarts: 0 });
  });

  test('is started again after a crash, and says so', async () => {
    await kept.start();
    await kept.kill('SIGKILL');
    expect(kept.status().state).toBe('waiting');
    await until(() => kept.status().state === 'running');
    expect(kept.status().restarts).toBe(1);
    expect(said[0]).toMatch(/server ended by SIGKILL; starting it again in 0.5 s/);
  });

  test('a start cuts the pause after a crash short', async () => {
    await kept.start();
    await kept.kill('SIGKILL');
    await kept.start();
    expect(kept.status()).toMatchObject({ state: 'running', restarts: 0 });
    await sleep(700);
    expect(pids).toHaveLength(2);
  });

  test('stays down after a kill that holds it, until it is started', async () => {
    await kept.start();
    await kept.kill('SIGKILL', { hold: true });
    await sleep(700);
    expect(kept.status().state).toBe('stopped');
    await kept.start();
    expect(kept.status().state).toBe('running');
  });

  test('ends in order, and is not started again', async () => {
    await kept.start();
    await kept.stop();
    await sleep(700);
    expect(pids).toHaveLength(1);
    expect(readFileSync(join(dir, 'server.log'), 'utf8')).toContain('ended in order');
  });

  test('may be paused and continued by signals', async () => {
    await kept.start();
    await kept.kill('SIGSTOP');
    await kept.kill('SIGCONT');
    expect(kept.status().state).toBe('running');
  });

  test('that cannot start is refused with what it said', async () => {
    const refused = keep(['refuse', 'PORT is missing: set it to a number.']);
    await expect(refused.start()).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: 'server ended while it started: PORT is missing: set it to a number.',
    });
    expect(refused.status()).toMatchObject({ state: 'stopped', pid: null });
  });

  test('a command that fails is refused with what it said, and an abort ends it', async () => {
    const logFile = join(dir, 'step.log');
    const refuse = { name: 'step', script, args: ['refuse', 'no such table'], env: {}, logFile };
    const never = new AbortController();
    await expect(runToEnd(refuse, () => undefined, never.signal)).rejects.toThrow(
      'step ended with code 1: no such table',
    );
    const serve = { ...refuse, args: ['serve', join(dir, 'ready')] };
    const running = runToEnd(serve, (pid) => pids.push(pid), never.signal);
    never.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(identify(pids[0] as number)).toBeNull();
  });

  test('a later lab ends what is provably its own, and nothing else', async () => {
    await kept.start();
    const identity = identify(pids[0] as number);
    if (identity === null) throw new Error('the server is not there');
    expect(await endLeftovers([{ ...identity, started: '1' }])).toEqual([]);
    expect(isRunning(identity)).toBe(true);
    const ended = kept.kill('SIGCONT', { hold: true });
    expect(await endLeftovers([identity])).toEqual([identity]);
    expect(isRunning(identity)).toBe(false);
    await ended;
  });
});
