import type { Command } from 'commander';
import { statusScreen } from '../status/screen.ts';
import { buildStatus } from '../status/status.ts';
import { evidence, openArchive } from './archive.ts';
import type { CliParts } from './cli.ts';
import { readConfig } from './config/config.ts';
import { daemonStatus } from './daemon-files.ts';
import { exitCodeHelp, exitCodes } from './exit-codes.ts';
import { drillPolicies, readProofs } from './proofs.ts';
import { withConfig } from './shared-options.ts';

interface Options {
  config: string;
  json?: boolean;
}

export function addStatusCommand(
  program: Command,
  { openRegion, terminal, signal, now, setExitCode }: CliParts,
): void {
  const command = program
    .command('status')
    .description(
      'Show how the backups are: last good dump and base, WAL and RPO per region, queue, drills, last proof.',
    )
    .option('--json', 'as one line of JSON')
    .addHelpText('after', exitCodeHelp(['ok', 'failed', 'usage', 'unreachable', 'manifest', 'attention']));
  withConfig(command).action(async ({ config: file, json }: Options) => {
    const config = readConfig(file);
    const archive = await openArchive({ config, openRegion, signal });
    try {
      const status = buildStatus({
        site: config.site,
        now: now(),
        objects: archive.objects,
        head: archive.manifest.head,
        evidence: await evidence(archive, signal),
        behind: archive.behind,
        failed: archive.failed,
        proofs: await readProofs(config, archive.regions, signal),
        drills: drillPolicies(config),
        daemon: await daemonStatus(config, now()),
        daemonExpected: config.archive !== undefined,
      });
      terminal.write(json ? `${JSON.stringify(status)}\n` : statusScreen(status, terminal.language));
      if (status.alarms.length + status.daemonAlarms.length > 0) setExitCode(exitCodes.attention);
    } finally {
      archive.close();
    }
  });
}
