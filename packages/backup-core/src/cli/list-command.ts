import { type Command, Option } from 'commander';
import { objectKinds, type SealedObject } from '../format/object.ts';
import { describeMoment } from '../restore/target.ts';
import { openArchive } from './archive.ts';
import type { CliParts } from './cli.ts';
import { readConfig } from './config/config.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { withConfig, withRegion } from './shared-options.ts';
import { bytes, words } from './words.ts';

interface Options {
  config: string;
  region?: string;
  upTo?: number;
  kind?: SealedObject['kind'];
  json?: boolean;
}

export function addListCommand(program: Command, { openRegion, terminal, signal }: CliParts): void {
  const command = program
    .command('list')
    .description(
      'Show what there is to restore: bases and dumps, and how far the WAL goes; or one kind of object.',
    )
    .addOption(new Option('--kind <kind>', 'all objects of one kind').choices(objectKinds))
    .option('--json', 'one line of JSON for each object')
    .addHelpText('after', exitCodeHelp(['ok', 'failed', 'usage', 'unreachable', 'manifest']));
  const say = words[terminal.language];
  withRegion(withConfig(command)).action(async ({ config, region, upTo, kind, json }: Options) => {
    const archive = await openArchive({ config: readConfig(config), openRegion, only: region, upTo, signal });
    archive.close();
    const shown = archive.objects
      .filter((one) => (kind ? one.kind === kind : json || one.kind === 'base' || one.kind === 'dump'))
      .toSorted((a, b) => Date.parse(a.sealedAt) - Date.parse(b.sealedAt));
    for (const object of shown) terminal.write(`${json ? JSON.stringify(object) : line(object)}\n`);
    if (json || kind) return;
    const wal = archive.objects.filter((one) => one.kind === 'wal') as SealedObject<'wal'>[];
    const last = wal.toSorted((a, b) => Date.parse(a.about.closedAt) - Date.parse(b.about.closedAt)).at(-1);
    if (last)
      terminal.write(
        `wal   ${wal.length} ${say.objects}, ${say.to} ${describeMoment(Date.parse(last.about.closedAt))}\n`,
      );
    terminal.write(
      `${say.manifest}: ${say.entry} ${archive.manifest.head.number} ${say.of} ${archive.manifest.head.at}\n`,
    );
  });
}

function line(object: SealedObject): string {
  const at = describeMoment(Date.parse(momentOf(object)));
  return `${object.kind.padEnd(8)}  ${at}  ${bytes(object.bytes).padStart(8)}  ${object.name}`;
}

function momentOf(object: SealedObject): string {
  if (object.kind === 'dump') return object.about.takenAt;
  if (object.kind === 'base') return object.about.endedAt;
  return object.kind === 'wal' ? object.about.closedAt : object.sealedAt;
}
