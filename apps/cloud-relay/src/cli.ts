/** The relay's commands. */
import { readFileSync } from 'node:fs';
import { prepareSite, readSyncMap, syncRole } from '@skooly-edge/sync-protocol';
import { Command } from 'commander';
import { pino } from 'pino';
import { readConfig } from './config/config.ts';
import { readEnv, readLocale } from './config/env.ts';
import { addEnrolCommands } from './enrol/enrol-command.ts';
import { addInbox } from './inbox/inbox-command.ts';
import { addPublishCommand } from './migrations/publish-command.ts';
import { runRelay } from './relay.ts';

export function buildCli(): Command {
  const program = new Command('skooly-relay').description('The cloud side of Skooly Edge.');
  program
    .command('prepare')
    .description('Make the cloud database ready: schema sync, role, publication, slot. May be run again.')
    .requiredOption('--admin-url <url>', 'connection of a superuser')
    .requiredOption('--sync-map <file>', 'the sync map')
    .requiredOption('--password-file <file>', `password that the role ${syncRole} shall have`)
    .action(async (options: { adminUrl: string; syncMap: string; passwordFile: string }) => {
      const password = readFileSync(options.passwordFile, 'utf8').trim();
      await prepareSite({
        adminUrl: options.adminUrl,
        site: 'cloud',
        syncMap: readSyncMap(options.syncMap),
        password,
      });
    });
  addEnrolCommands(program, readEnv);
  addPublishCommand(program, readEnv);
  addInbox(program, { readEnv, readLocale });
  program
    .command('serve')
    .description('Run the relay until it is told to stop.')
    .action(async () => {
      const config = readConfig(readEnv());
      const stop = new AbortController();
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
      await runRelay(config, pino({ level: config.logLevel }), stop.signal);
    });
  return program;
}

/** One sentence for a person; the stack only where somebody looks for a bug. */
export function explain(error: unknown): string {
  const {
    message = String(error),
    advice,
    code,
  } = error as { message?: string; advice?: string; code?: string };
  const first = code === 'ECONNREFUSED' ? 'The database does not accept connections.' : message;
  return advice && !message.includes(advice) ? `${first} ${advice}` : first;
}
