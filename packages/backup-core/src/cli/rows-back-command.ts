import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { giveTo, serverOwner } from '../restore/postgres/owner.ts';
import { restore } from '../restore/restore.ts';
import { describeMoment, readTarget } from '../restore/target.ts';
import { type RowsBackReport, rowsBack, type TableReport } from '../rows-back/rows-back.ts';
import { decryptorOf, type KeyOptions, openArchive, readerOf } from './archive.ts';
import type { CliParts } from './cli.ts';
import { readConfig, readSecret, required } from './config/config.ts';
import { ConfigError } from './config/errors.ts';
import { exitCodeHelp, restoreExitCodes, rowsBackExitCodes } from './exit-codes.ts';
import { progressLine } from './progress-line.ts';
import { tellFault } from './restore-command.ts';
import { withConfig, withKey, withRegion } from './shared-options.ts';
import { words } from './words.ts';

interface Options extends KeyOptions {
  config: string;
  region?: string;
  upTo?: number;
  at: string;
  table: string[];
  where?: string;
  scratch: string;
  apply?: boolean;
  json?: boolean;
}

export function addRowsBackCommand(program: Command, parts: CliParts): void {
  const command = program
    .command('rows-back')
    .description(
      'Bring deleted rows back into the live database, without losing what came after. A dry run unless --apply.',
    )
    .requiredOption('--at <time>', 'a moment just before the deletion, with its zone')
    .requiredOption('--table <name...>', 'the tables; what hung on their rows comes with them')
    .option('--where <sql>', 'only these rows of the table, such as "id < 100"')
    .requiredOption('--scratch <folder>', 'where the past is restored to for as long as it takes')
    .option('--apply', 'do it; otherwise the same is done and rolled back')
    .option('--json', 'the report as one line of JSON')
    .addHelpText(
      'after',
      exitCodeHelp(['ok', 'failed', 'usage', 'unreachable', 'manifest', 'keys'], {
        ...restoreExitCodes,
        ...rowsBackExitCodes,
      }),
    );
  withKey(withRegion(withConfig(command))).action((options: Options) => run(options, parts));
}

async function run(options: Options, { openRegion, terminal, signal }: CliParts): Promise<void> {
  const target = readTarget({ at: options.at });
  if (options.where !== undefined && options.table.length > 1)
    throw new ConfigError('--where', 'stands with several tables', 'give one --table');
  const config = readConfig(options.config);
  const url = readSecret('databaseUrlFile', required(config, 'databaseUrlFile'));
  const database = decodeURIComponent(new URL(url).pathname.slice(1));
  const decryptor = await decryptorOf(options, terminal);
  const archive = await openArchive({ config, openRegion, only: options.region, upTo: options.upTo, signal });
  const scratch = await mkdtemp(join(options.scratch, 'skooly-rows-back-'));
  try {
    await giveTo(scratch, serverOwner());
    const past = await restore({
      objects: archive.objects,
      reader: readerOf(archive, decryptor, (fault) => tellFault(fault, terminal)),
      target,
      to: join(scratch, 'data'),
      settings: { fsync: 'off', listen_addresses: '' },
      signal,
      nowMs: () => performance.now(),
      onProgress: progressLine(terminal),
    });
    try {
      const report = await rowsBack({
        live: { connectionString: url },
        past: past.server.connection(database),
        tables: options.table,
        where: options.where,
        apply: options.apply === true,
      });
      const moment = target.kind === 'time' ? describeMoment(target.ms) : '';
      terminal.write(
        options.json ? `${JSON.stringify(report)}\n` : reportText(report, moment, terminal.language),
      );
    } finally {
      await past.server.stop();
    }
  } finally {
    archive.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

function reportText({ applied, tables }: RowsBackReport, moment: string, language: 'en' | 'fr'): string {
  const say = words[language];
  const lines = tables.flatMap((table) => [
    tableLine(table, language),
    ...table.heldBack.keys.map((key) => `    ${key}`),
  ]);
  return `${moment}\n${lines.join('\n')}\n${applied ? say.applied : say.dryRun}\n`;
}

function tableLine(report: TableReport, language: 'en' | 'fr'): string {
  const { table, because, gone, back, heldBack, changedSince, newSince, relinked } = report;
  const say =
    language === 'fr'
      ? {
          gone: 'disparues',
          back: 'reviennent',
          held: 'restent dehors',
          changed: 'changées depuis',
          fresh: 'nouvelles',
          linked: 'liens rétablis',
        }
      : {
          gone: 'gone',
          back: 'come back',
          held: 'stay out',
          changed: 'changed since',
          fresh: 'new since',
          linked: 'references set again',
        };
  const parts = [
    `${gone} ${say.gone}`,
    `${back} ${say.back}`,
    heldBack.count > 0 ? `${heldBack.count} ${say.held}` : '',
    changedSince === null ? '' : `${changedSince} ${say.changed}`,
    newSince === null ? '' : `${newSince} ${say.fresh}`,
    relinked > 0 ? `${relinked} ${say.linked}` : '',
  ];
  return `${table}  (${because})  ${parts.filter(Boolean).join(', ')}`;
}
