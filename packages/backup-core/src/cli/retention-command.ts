import type { Command } from 'commander';
import { calendar } from '../retention/calendar.ts';
import { planRetention } from '../retention/retention.ts';
import { evidence, openArchive } from './archive.ts';
import type { CliParts } from './cli.ts';
import { readConfig } from './config/config.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { readProofs } from './proofs.ts';
import { withConfig } from './shared-options.ts';

interface Options {
  config: string;
  json?: boolean;
}

export function addRetentionCommand(program: Command, { openRegion, terminal, signal, now }: CliParts): void {
  const command = program
    .command('retention')
    .description(
      'Print the calendar of what stays and what may go, and why. The daemon removes; this never does.',
    )
    .option('--dry-run', 'what it always is')
    .option('--json', 'one line of JSON for each object')
    .addHelpText('after', exitCodeHelp(['ok', 'failed', 'usage', 'unreachable', 'manifest']));
  withConfig(command).action(async ({ config: file, json }: Options) => {
    const config = readConfig(file);
    const archive = await openArchive({ config, openRegion, signal });
    try {
      const proofs = await readProofs(config, archive.regions, signal);
      const plan = planRetention({
        objects: archive.objects,
        policy: config.retention,
        now: now(),
        regions: await evidence(archive, signal),
        proven: new Set(proofs.filter(({ passed }) => passed).flatMap(({ object }) => object?.name ?? [])),
        clock: { lastRunAt: null, elapsedMs: null },
      });
      if (!json) terminal.write(calendar(plan, config.retention, terminal.language));
      else
        for (const { object, keep, reasons } of plan.decisions)
          terminal.write(
            `${JSON.stringify({ name: object.name, sealedAt: object.sealedAt, keep, reasons })}\n`,
          );
    } finally {
      archive.close();
    }
  });
}
