/** The commands of `skooly`. Each reads only the settings that it needs. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { pino } from 'pino';
import { databaseConfig, serveConfig, siteConfig } from './config/config.ts';
import { readEnv } from './config/env.ts';
import { openDatabase } from './database/database.ts';
import { databaseAway, migrate } from './database/migrate.ts';
import { refusalOf } from './database/refusals.ts';
import { SkoolyStartError } from './errors.ts';
import {
  defaultCampuses,
  defaultSeedNumber,
  mostCampuses,
  type SeedSize,
  seed,
  seedSizes,
} from './seed/seed.ts';
import { serve } from './serve.ts';

export function skoolyCommand(environment: NodeJS.ProcessEnv): Command {
  const env = readEnv(environment);
  const command = new Command('skooly').description(
    'The school application. Settings come from SKOOLY_… variables.',
  );

  command
    .command('migrate')
    .description('create or update the tables; running it again changes nothing')
    .action(async () => {
      const ran = await migrate(databaseConfig(env).databaseUrl);
      console.log(ran.length > 0 ? `ran ${ran.join(', ')}` : 'nothing to do: the schema is up to date');
    });

  command
    .command('seed')
    .description(
      'fill an empty cloud database with lab schools; leaves a database that has a school as it is',
    )
    .addOption(new Option('--size <size>').choices([...seedSizes]).default('small'))
    .option('--seed-number <n>', 'the same number makes the same schools', wholeNumber, defaultSeedNumber)
    .option('--campuses <n>', `how many campuses, at most ${mostCampuses}`, wholeNumber, defaultCampuses)
    .action(async (options: { size: SeedSize; seedNumber: number; campuses: number }) => {
      if (siteConfig(env) !== 'cloud') {
        throw new SkoolyStartError(
          'SEED_IN_CLOUD_ONLY',
          'SKOOLY_SITE must be cloud to seed: a campus gets its rows from the cloud.',
        );
      }
      const database = openDatabase(databaseConfig(env).databaseUrl, () => {});
      try {
        const counts = await seed(database, options).catch(whenAway);
        console.log(counts ? JSON.stringify(counts) : 'left as it is: the database has a school already');
      } finally {
        await database.close();
      }
    });

  command
    .command('serve')
    .description('answer requests until SIGINT or SIGTERM')
    .action(async () => {
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
      const logger = pino({ name: 'skooly' });
      const config = serveConfig(env, (error) =>
        logger.error({ reason: error.message }, 'the trusted keys cannot be read: no other site is believed'),
      );
      await serve(config, { logger, signal: stop.signal });
    });

  return command;
}

function whenAway(error: Error): never {
  if (refusalOf(error)?.code !== 'DATABASE_AWAY') throw error;
  throw databaseAway(error);
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError('It must be a whole number.');
  return number;
}
