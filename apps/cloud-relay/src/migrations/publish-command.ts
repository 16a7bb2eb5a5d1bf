/** `skooly-relay publish-migration`. */
import { readSyncMap } from '@skooly-edge/sync-protocol';
import type { Command } from 'commander';
import type { RelayEnv } from '../config/env.ts';
import { ConfigError } from '../config/errors.ts';
import { type PublishOutcome, publishMigration } from './publish.ts';

interface Options {
  key: string;
  adminUrl: string;
  syncMap?: string;
}

const sentences: Record<PublishOutcome, string> = {
  applied: 'is applied here and published: boxes fetch it by themselves',
  recorded: 'had been run here already and is published now: boxes fetch it by themselves',
  unchanged: 'was published already: nothing is changed',
};

export function addPublishCommand(program: Command, readEnv: () => RelayEnv): void {
  program
    .command('publish-migration')
    .description(
      'Sign a migration, apply it to the cloud database, and offer it to the boxes. May be run again.',
    )
    .argument('<file>', 'numbered SQL file, such as 004-house.sql')
    .requiredOption('--key <file>', 'Ed25519 release key (PEM); no server needs to hold it')
    .requiredOption('--admin-url <url>', 'connection of the role that owns the tables')
    .option('--sync-map <file>', 'the sync map from this migration on, when it is another one')
    .action(async (file: string, options: Options) => {
      const outcome = await publishMigration({
        file,
        keyFile: options.key,
        ownerUrl: options.adminUrl,
        syncMapFile: options.syncMap ?? null,
        ownMap: () => readOwnMap(readEnv()),
      });
      console.log(`${file} ${sentences[outcome]}.`);
    });
}

function readOwnMap({ RELAY_SYNC_MAP: path }: RelayEnv) {
  if (path) return readSyncMap(path);
  throw new ConfigError('RELAY_SYNC_MAP', 'is not set', 'set it, or give --sync-map');
}
