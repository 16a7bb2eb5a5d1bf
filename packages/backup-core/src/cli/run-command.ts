import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type pino from 'pino';
import { type Engine, openEngine } from '../engine/engine.ts';
import type { BackupEvent } from '../engine/events.ts';
import type { SealedObject } from '../format/object.ts';
import { loadManifestKey, type TrustedKey } from '../keys/manifest-key.ts';
import { readRecipient } from '../keys/recipient.ts';
import type { Region } from '../region/region.ts';
import { Throttle, withThrottle } from '../region/throttle.ts';
import { applyRetention } from '../retention/apply.ts';
import type { SyncLogSource } from '../source/sync-log.ts';
import { usualLimits } from '../spool/bounds.ts';
import { regionSettings } from './archive.ts';
import type { CliParts } from './cli.ts';
import { type BackupConfig, readConfig, readSecret, required } from './config/config.ts';
import {
  answerRequests,
  askDaemon,
  type Request,
  requireDaemon,
  STATUS_EVERY_MS,
  writeDaemonStatus,
} from './daemon-files.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { readProofs } from './proofs.ts';
import { withConfig } from './shared-options.ts';
import { words } from './words.ts';

const RETENTION_EVERY_MS = 24 * 3_600_000;

export function addRunCommands(program: Command, parts: CliParts): void {
  const { terminal, signal, now } = parts;
  withConfig(program.command('run'))
    .description(
      'Run the backups of this site until told to stop: WAL, dumps, bases, both regions, retention.',
    )
    .option(
      '--adopt',
      'take the manifest over from the regions: the machine that wrote it before writes no more',
    )
    .addHelpText('after', exitCodeHelp(['ok', 'failed', 'usage', 'manifest', 'keys']))
    .action(async ({ config, adopt }: { config: string; adopt?: boolean }) => {
      await runBackups(readConfig(config), { ...parts, adopt: adopt === true });
    });
  const now1 = (request: Request, description: string) =>
    withConfig(program.command(request))
      .description(description)
      .addHelpText('after', exitCodeHelp(['ok', 'failed', 'usage']))
      .action(async ({ config }: { config: string }) => {
        await askDaemon(await requireDaemon(readConfig(config), now()), request, signal);
        terminal.write(`${words[terminal.language].sealed}\n`);
      });
  now1('dump', 'Have the running daemon make a dump now.');
  now1('base', 'Have the running daemon make a base backup now.');
}

export interface BackupsOptions extends Pick<CliParts, 'openRegion' | 'signal' | 'log'> {
  readonly adopt?: boolean;
  /** Of an appliance. */
  readonly syncLog?: SyncLogSource;
  /** Told once, before anything is sent. */
  onRunning?(engine: Pick<Engine, 'hurry'>): void;
}

/** The daemon: runs until the signal aborts. @throws ConfigError, KeyError, ManifestError or BackupError when it cannot go on. */
export async function runBackups(config: BackupConfig, options: BackupsOptions): Promise<void> {
  const { openRegion, signal, log } = options;
  const stateDir = required(config, 'stateDir');
  const opened = config.regions.map((values) => openRegion(regionSettings(config, values)));
  const regions = opened.map((region) => withThrottle(region, paceOf(config)));
  try {
    await using engine = await openEngine(await engineOptions(config, stateDir, regions, options));
    options.onRunning?.(engine);
    log.info({ archiveCommand: engine.archiveCommand }, 'archive_command of the server');
    await Promise.all([
      engine.run(signal),
      tellStatus(engine, stateDir, signal),
      answerRequests(stateDir, (request) => carryOut(engine, request), signal),
      keepRetention(engine, config, stateDir, regions, log, signal),
    ]);
  } finally {
    for (const region of opened) region.close?.();
  }
}

/** One for each region, so that none takes the other's share. */
function paceOf({ upload, retention }: BackupConfig): Throttle {
  const { bytesPerSecond = null, hours = [] } = upload ?? {};
  return new Throttle({ bytesPerSecond, hours, utcOffsetMinutes: retention.utcOffsetMinutes });
}

/** An object by its name, size and kind: the rest is in the manifest. */
function logEvent({ event, ...facts }: BackupEvent, log: pino.Logger): void {
  const { object, error } = facts as { object?: SealedObject; error?: Error };
  const short = object ? { object: object.name, bytes: object.bytes } : {};
  const line = { ...facts, ...short, ...(error && { error: undefined, err: error }) };
  if (error || event.endsWith('trouble')) log.warn(line, event);
  else log.info(line, event);
}

async function engineOptions(
  config: BackupConfig,
  stateDir: string,
  regions: readonly Region[],
  { adopt = false, syncLog = undefined, log }: BackupsOptions,
): Promise<Parameters<typeof openEngine>[0]> {
  const { accessFile, serverUser } = required(config, 'archive');
  const recipients = await Promise.all(
    required(config, 'recipients').map(async ({ file, enrolledAt }) =>
      readRecipient(await readFile(file), new Date(enrolledAt)),
    ),
  );
  const url = readSecret('databaseUrlFile', required(config, 'databaseUrlFile'));
  const lockDays = config.regions.reduce((most, region) => Math.max(most, region.lockDays ?? 0), 0);
  const earlierKeys: TrustedKey[] = (config.trustedKeys ?? []).map((key) => ({ site: config.site, ...key }));
  const id = (flag: string) => Number(execFileSync('id', [flag, serverUser as string], { encoding: 'utf8' }));
  return {
    site: config.site,
    folder: join(stateDir, 'spool'),
    postgres: { url, ...(config.totals && { totals: config.totals }) },
    archive: { accessFile, ...(serverUser !== undefined && { readers: { uid: id('-u'), gid: id('-g') } }) },
    recipients: () => recipients,
    manifestKey: await loadManifestKey(required(config, 'manifestKeyFile')),
    earlierKeys,
    regions,
    ...(config.spoolBytes !== undefined && { limits: { ...usualLimits, maxBytes: config.spoolBytes } }),
    lockDays,
    adopt,
    ...(syncLog && { syncLog }),
    tell: (event) => logEvent(event, log),
  };
}

function carryOut(engine: Engine, request: Request): Promise<void> {
  if (request === 'dump') return engine.dumpNow();
  return request === 'base' ? engine.baseNow() : engine.checkpointNow();
}

async function tellStatus(engine: Engine, stateDir: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await writeDaemonStatus(stateDir, engine.status());
    await sleep(STATUS_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

interface LastRun {
  readonly at: string;
  readonly monotonicMs: number;
  /** Of the process: its monotonic clock says nothing to another. */
  readonly process: string;
}

/** Once a day, and at the start. A run that fails is told and tried again the next day: what should go stays a little longer. */
async function keepRetention(
  engine: Engine,
  config: BackupConfig,
  stateDir: string,
  regions: readonly Region[],
  log: pino.Logger,
  signal: AbortSignal,
): Promise<void> {
  const file = join(stateDir, 'retention.json');
  const process = randomUUID();
  while (!signal.aborted) {
    const text = await readFile(file, 'utf8').catch(() => null);
    const last = text === null ? null : (JSON.parse(text) as LastRun);
    const now = new Date();
    try {
      const objects = (await Array.fromAsync(engine.live())).map(({ object }) => object);
      const proofs = await readProofs(config, regions, signal);
      const plan = await applyRetention({
        site: config.site,
        objects,
        policy: config.retention,
        now,
        proven: new Set(proofs.filter(({ passed }) => passed).flatMap(({ object }) => object?.name ?? [])),
        clock: {
          lastRunAt: last ? new Date(last.at) : null,
          elapsedMs: last?.process === process ? performance.now() - last.monotonicMs : null,
        },
        regions,
        record: async (removals) => {
          await engine.remove(removals);
          while (engine.status().regions.some(({ entriesBehind }) => entriesBehind > 0))
            await sleep(STATUS_EVERY_MS, undefined, { signal });
        },
        signal,
      });
      const removed = plan.decisions.filter(({ keep }) => !keep).length;
      log.info({ halted: plan.halted, removed, objects: plan.decisions.length }, 'retention');
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, 'retention failed');
    }
    const run: LastRun = { at: now.toISOString(), monotonicMs: performance.now(), process };
    await writeFile(`${file}.new`, JSON.stringify(run), { mode: 0o600 });
    await rename(`${file}.new`, file);
    await sleep(RETENTION_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
