import type { Command } from 'commander';
import type { Fault } from '../restore/objects.ts';
import { type RestoreOptions, restore } from '../restore/restore.ts';
import { restoreDump } from '../restore/restore-dump.ts';
import { describeMoment, describeTarget, readTarget } from '../restore/target.ts';
import { decryptorOf, type KeyOptions, openArchive, readerOf } from './archive.ts';
import type { CliParts } from './cli.ts';
import { readConfig } from './config/config.ts';
import { ConfigError } from './config/errors.ts';
import { exitCodeHelp, reasonOf, restoreExitCodes } from './exit-codes.ts';
import { progressLine } from './progress-line.ts';
import { portNumber, wholeNumber, withConfig, withKey, withRegion } from './shared-options.ts';
import type { Terminal } from './terminal.ts';
import { bytes, duration, words } from './words.ts';

interface Options extends KeyOptions {
  config: string;
  region?: string;
  upTo?: number;
  to: string;
  at?: string;
  lsn?: string;
  latest?: boolean;
  dump?: string;
  timeline?: number;
  base?: string;
  port?: number;
  user?: string;
  json?: boolean;
}

export function addRestoreCommand(program: Command, parts: CliParts): void {
  const command = program
    .command('restore')
    .description('Make a running Postgres out of the regions, as it was at a moment.')
    .requiredOption('--to <folder>', 'folder for its data; must be empty or not there')
    .option('--at <time>', 'a moment with its zone, such as "2026-11-23 10:31:59 Africa/Douala"')
    .option('--lsn <position>', 'a position in the WAL')
    .option('--latest', 'all that is in the regions')
    .option('--dump <day>', 'the nightly dump of a day (Douala), of a moment with its zone, or latest')
    .option(
      '--timeline <number>',
      'follow this timeline; otherwise the newest that goes through the base',
      wholeNumber,
    )
    .option('--base <name>', 'begin with this base; otherwise with the newest that precedes the moment')
    .option('--port <port>', 'port on 127.0.0.1; otherwise a free one', portNumber)
    .option('--user <name>', 'superuser of the restored cluster', 'postgres')
    .option('--json', 'the result as one line of JSON')
    .addHelpText(
      'after',
      exitCodeHelp(['ok', 'failed', 'usage', 'unreachable', 'manifest', 'keys'], restoreExitCodes),
    );
  withKey(withRegion(withConfig(command))).action((options: Options) => run(options, parts));
}

async function run(options: Options, parts: CliParts): Promise<void> {
  const { terminal, signal } = parts;
  const { dump, at, lsn, latest } = options;
  if (dump !== undefined && (at ?? lsn ?? latest) !== undefined)
    throw new ConfigError('--dump', 'stands with --at, --lsn or --latest', 'give one of them');
  const target = dump === undefined ? readTarget({ at, lsn, latest }) : null;
  if (target) terminal.complain(`${words[terminal.language].moment}: ${describeTarget(target)}\n`);
  const config = readConfig(options.config);
  const decryptor = await decryptorOf(options, terminal);
  const { openRegion } = parts;
  const archive = await openArchive({ config, openRegion, only: options.region, upTo: options.upTo, signal });
  try {
    const reader = readerOf(archive, decryptor, (fault) => tellFault(fault, terminal));
    const common = {
      objects: archive.objects,
      reader,
      to: options.to,
      port: options.port,
      signal,
      nowMs: () => performance.now(),
      onProgress: progressLine(terminal),
    };
    if (target)
      await toMoment(
        { ...common, target, timeline: options.timeline, base: options.base, user: options.user },
        options,
        terminal,
      );
    else await toDump({ ...common, when: dump as string, totals: config.totals ?? {} }, options, terminal);
  } finally {
    archive.close();
  }
}

async function toMoment(options: RestoreOptions, { json }: Options, terminal: Terminal): Promise<void> {
  const say = words[terminal.language];
  const onPlan: RestoreOptions['onPlan'] = ({ base, segments, bytes: size }) =>
    terminal.complain(
      `${say.base}: ${base.name} (${describeMoment(Date.parse(base.about.endedAt))}, ${bytes(size.base)}), ${segments.length} ${say.segments} (${bytes(size.wal)})\n`,
    );
  const { server, reached, plan, tookMs } = await restore({ ...options, onPlan });
  server.leave();
  const { port, socketFolder, dataDir, logFile, pid } = server;
  if (json) {
    terminal.write(
      `${JSON.stringify({ dataDir, port, socketFolder, logFile, pid, base: plan.base.name, reached, tookMs: Math.round(tookMs) })}\n`,
    );
    return;
  }
  const commit = reached.lastCommitAt ? describeMoment(Date.parse(reached.lastCommitAt)) : '–';
  terminal.write(`${say.stopped}: ${reached.stop} (${reached.lsn}; ${say.lastCommit} ${commit})\n`);
  terminal.write(running(server, tookMs, terminal));
}

async function toDump(
  options: Parameters<typeof restoreDump>[0],
  { json }: Options,
  terminal: Terminal,
): Promise<void> {
  const { server, dump, database, comparison, tookMs } = await restoreDump(options);
  server.leave();
  const { port, socketFolder, dataDir, logFile, pid } = server;
  if (json) {
    const facts = { dataDir, port, socketFolder, logFile, pid, database, dump: dump.name, comparison };
    terminal.write(`${JSON.stringify({ ...facts, tookMs: Math.round(tookMs) })}\n`);
    return;
  }
  terminal.write(`${dump.name}: ${comparison.tables} ${words[terminal.language].tablesEqual}.\n`);
  terminal.write(running(server, tookMs, terminal));
}

function running(
  {
    dataDir,
    port,
    socketFolder,
    logFile,
  }: { dataDir: string; port: number; socketFolder: string; logFile: string },
  tookMs: number,
  { language }: Terminal,
): string {
  const say = words[language];
  const where = `${say.port} ${port}, ${say.socket} ${socketFolder}, ${say.log} ${logFile}`;
  return `${say.running}: ${dataDir}, ${where} (${say.took} ${duration(tookMs)}).\n${say.settings}\n`;
}

export function tellFault({ region, object, reason, code }: Fault, { complain, language }: Terminal): void {
  const why = reasonOf({ code, message: reason }, language);
  complain(`${object}: ${words[language].fault} ${region}: ${why}\n`);
}
