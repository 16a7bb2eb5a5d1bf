import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { serveControl } from '../control/control.ts';
import { LabError } from '../errors.ts';
import { type Lab, openLab } from '../lab.ts';
import { layout, programs } from '../world/layout.ts';
import type { WorldOptions } from '../world/open-world.ts';
import { explain } from './explain.ts';
import { welcome } from './welcome.ts';

type Say = (line: string) => void;

/** Runs the lab in this process until Ctrl-C or `down`. */
export async function runLab(options: WorldOptions): Promise<void> {
  await supervise(options, (line) => console.log(line));
}

/** Runs the lab in a process of its own, and returns when it is ready. */
export async function runLabDetached(options: WorldOptions): Promise<void> {
  const places = layout(options.dir);
  mkdirSync(places.logs, { recursive: true });
  const log = openSync(places.supervisorLog, 'a', 0o600);
  const child = spawn(process.execPath, [programs.labCli, 'supervise', JSON.stringify(options)], {
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
    cwd: '/',
  });
  closeSync(log);
  await new Promise<void>((ready, failed) => {
    child.on('message', (message: SupervisorMessage) => {
      if ('line' in message) console.log(message.line);
      else if ('failed' in message) failed(new LabError('STEP_FAILED', message.failed, ''));
      else ready();
    });
    const died = () =>
      failed(new LabError('STEP_FAILED', 'The lab ended while it started.', `See ${places.supervisorLog}.`));
    child.once('exit', died);
    child.once('error', failed);
    process.once('SIGINT', () => child.kill('SIGINT'));
    process.once('SIGTERM', () => child.kill('SIGTERM'));
  });
  child.disconnect();
  child.unref();
}

type SupervisorMessage = { line: string } | { failed: string } | { ready: true };

/** The detached side of it: what a person shall read goes to the waiting command and to the log. */
export async function runSupervisor(options: WorldOptions): Promise<void> {
  const tell = (message: SupervisorMessage) =>
    process.connected && process.send?.(message, undefined, {}, () => undefined);
  try {
    await supervise(
      options,
      (line) => {
        console.log(`${new Date().toISOString()} ${line}`);
        tell({ line });
      },
      () => tell({ ready: true }),
    );
  } catch (error) {
    tell({ failed: explain(error) });
    throw error;
  }
}

async function supervise(
  options: WorldOptions,
  say: Say,
  onReady: () => void = () => undefined,
): Promise<void> {
  process.stdout.on('error', () => undefined);
  say(`Lab in ${options.dir}`);
  const started = performance.now();
  await using lab = await openLab({ ...options, report: say });
  const end = endSignal(lab, say);
  const control = await serveControl({ lab, onDown: end.now });
  lab.announce(control.path);
  try {
    await lab.up();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    for (const line of welcome(lab.addresses(), seconds)) say(line);
    onReady();
    await end.asked;
  } catch (error) {
    if (!end.wasAsked()) throw error;
  } finally {
    await lab.down();
    await control.close();
  }
  say('The lab has ended; its databases are kept for the next up.');
}

/** Ctrl-C, a signal or `down` end the lab in order; so does a second Ctrl-C, since children would be left over. */
function endSignal(lab: Lab, say: Say) {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  let wasAsked = false;
  const now = () => {
    if (!wasAsked) say('Ending the lab …');
    wasAsked = true;
    void lab.down();
    resolve();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, now);
  return { now, asked, wasAsked: () => wasAsked };
}
