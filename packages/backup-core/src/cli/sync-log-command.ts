import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { describeSpan, type JoinedLog } from '../log-back/join-ranges.ts';
import { bringLogBack } from '../log-back/log-back.ts';
import { describeMoment } from '../restore/target.ts';
import { decryptorOf, type KeyOptions, openArchive, readerOf } from './archive.ts';
import type { CliParts } from './cli.ts';
import { readConfig } from './config/config.ts';
import { exitCodeHelp, syncLogExitCodes } from './exit-codes.ts';
import { progressLine } from './progress-line.ts';
import { tellFault } from './restore-command.ts';
import { wholeNumber, withConfig, withKey, withRegion } from './shared-options.ts';
import type { Language } from './terminal.ts';
import { bytes, duration, words } from './words.ts';

interface Options extends KeyOptions {
  config: string;
  region?: string;
  upTo?: number;
  to: string;
  epoch?: string;
  from?: number;
  json?: boolean;
}

export function addSyncLogCommand(program: Command, parts: CliParts): void {
  const command = program
    .command('sync-log')
    .description('Bring the sync log of a dead box back as a file that `skooly-edge adopt-log` takes.')
    .requiredOption('--to <path>', 'the file; or a folder for it, which is made if its name ends with /')
    .option('--epoch <epoch>', 'the log of this epoch; otherwise the newest')
    .option('--from <number>', 'leave out what lies before this transaction', wholeNumber)
    .option('--json', 'the result as one line of JSON')
    .addHelpText(
      'after',
      exitCodeHelp(['ok', 'failed', 'usage', 'unreachable', 'manifest', 'keys'], syncLogExitCodes),
    );
  withKey(withRegion(withConfig(command))).action((options: Options) => run(options, parts));
}

async function run(options: Options, { openRegion, terminal, signal }: CliParts): Promise<void> {
  const say = words[terminal.language];
  const config = readConfig(options.config);
  const decryptor = await decryptorOf(options, terminal);
  const archive = await openArchive({ config, openRegion, only: options.region, upTo: options.upTo, signal });
  try {
    const epochs: JoinedLog[] = [];
    const { log, file, ...done } = await bringLogBack({
      site: config.site,
      objects: archive.objects,
      reader: readerOf(archive, decryptor, (fault) => tellFault(fault, terminal)),
      file: await fileFor(options.to, config.site),
      epoch: options.epoch,
      from: options.from,
      nowMs: () => performance.now(),
      signal,
      onChoice(chosen, others) {
        epochs.push(...others);
        terminal.complain(`${say.syncLog} ${described(chosen, terminal.language)}\n`);
        for (const one of others)
          terminal.complain(`${say.otherSyncLog} ${described(one, terminal.language)}\n`);
      },
      onProgress: progressLine(terminal),
    });
    const { epoch, fromSeq, toSeq } = log;
    if (options.json) {
      const others = epochs.map((one) => ({ epoch: one.epoch, fromSeq: one.fromSeq, toSeq: one.toSeq }));
      const facts = { file, epoch, fromSeq, toSeq, bytes: done.bytes, others };
      terminal.write(`${JSON.stringify({ ...facts, tookMs: Math.round(done.tookMs) })}\n`);
      return;
    }
    const facts = `${bytes(done.bytes)}, ${say.took} ${duration(done.tookMs)}`;
    terminal.write(`${file}: ${toSeq - fromSeq + 1} ${say.transactions} (${facts})\n${say.adopt(file)}\n`);
  } finally {
    archive.close();
  }
}

function described(log: JoinedLog, language: Language): string {
  const say = words[language];
  const spans = (name: string, some: JoinedLog['gaps']) =>
    some.length === 0 ? '' : `, ${name} ${some.map(describeSpan).join(', ')}`;
  const at = describeMoment(Date.parse(log.newestAt));
  const state = spans(say.gap, log.gaps) + spans(say.overlap, log.overlaps);
  return `${log.epoch}: ${describeSpan(log)}${state} (${at})`;
}

/** A folder, or what ends like one, gets a file that is named after the site. */
async function fileFor(to: string, site: string): Promise<string> {
  const path = resolve(to);
  if (to.endsWith('/')) await mkdir(path, { recursive: true, mode: 0o700 });
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isFolder ? join(path, `sync-log-${site}.ndjson`) : path;
}
