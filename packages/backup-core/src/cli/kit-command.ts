import { readFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { readRecipient } from '../keys/recipient.ts';
import { emergencyKit, type KitInput } from '../kit/kit.ts';
import { trustedKeys } from './archive.ts';
import type { CliParts } from './cli.ts';
import { readConfig, required } from './config/config.ts';
import { ConfigError } from './config/errors.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { withConfig } from './shared-options.ts';

/** What no machine knows: where keys lie and whom to call. */
const Facts = Type.Object(
  {
    database: Type.String({ minLength: 1 }),
    postgres: Type.String({ pattern: '^\\d{2}$' }),
    providers: Type.Record(Type.String(), Type.String({ minLength: 1 })),
    /** In the order of `recipients`. */
    keys: Type.Array(
      Type.Object({
        role: Type.Union([Type.Literal('administrator'), Type.Literal('recovery'), Type.Literal('earlier')]),
        where: Type.String({ minLength: 1 }),
      }),
    ),
    people: Type.Array(
      Type.Object({ name: Type.String(), role: Type.String(), phone: Type.String({ minLength: 1 }) }),
      { minItems: 1 },
    ),
  },
  { additionalProperties: false },
);

export function addKitCommand(program: Command, { terminal, now }: CliParts): void {
  withConfig(program.command('kit'))
    .description(
      'Write the emergency kit: a page to print, in French and English, for a stranger on the worst day.',
    )
    .requiredOption(
      '--facts <file>',
      'JSON: database, postgres, providers, keys [{role, where}], people [{name, role, phone}]',
    )
    .requiredOption('--out <file>', 'the HTML page')
    .addHelpText('after', exitCodeHelp(['ok', 'failed', 'usage', 'keys']))
    .action(async ({ config: file, facts, out }: { config: string; facts: string; out: string }) => {
      const config = readConfig(file);
      const known = readFacts(facts, await readFile(facts, 'utf8'));
      const [trusted] = await trustedKeys(config);
      if (!trusted) throw new ConfigError('trustedKeys', 'is empty', 'copy the key that `init` printed');
      const recipients = await Promise.all(
        required(config, 'recipients').map(async ({ file: key, enrolledAt }) =>
          readRecipient(await readFile(key), new Date(enrolledAt)),
        ),
      );
      const { database, postgres, people, providers } = known;
      const input: KitInput = {
        site: config.site,
        database,
        postgres,
        people,
        regions: config.regions.map(({ name, endpoint, bucket }) => ({
          name,
          endpoint,
          bucket,
          provider: providers[name] ?? name,
        })),
        keys: recipients.map(({ fingerprint, userId, expires }, i) => ({
          fingerprint,
          userId,
          expires,
          role: known.keys[i]?.role ?? 'earlier',
          where: known.keys[i]?.where ?? '',
        })),
        manifestKey: trusted.publicKey,
        madeAt: now(),
      };
      await writeFile(out, emergencyKit(input));
      terminal.write(`${out}\n`);
    });
}

function readFacts(file: string, text: string): Static<typeof Facts> {
  const fix =
    'write database, postgres, providers, keys [{role, where}] and people [{name, role, phone}] as JSON';
  try {
    const facts: unknown = JSON.parse(text);
    const [problem] = Value.Errors(Facts, facts);
    if (!problem && Value.Check(Facts, facts)) return facts;
    throw new ConfigError(
      '--facts',
      `names ${file}, where ${problem?.instancePath || 'something'} ${problem?.message}`,
      fix,
    );
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError('--facts', `names ${file}, which is no JSON`, fix, { cause });
  }
}
