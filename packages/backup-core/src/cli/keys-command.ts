import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { makeManifestKey } from '../keys/manifest-key.ts';
import { enrolRecipient } from '../keys/recipient.ts';
import type { CliParts } from './cli.ts';
import { exitCodeHelp } from './exit-codes.ts';
import { words } from './words.ts';

export function addKeysCommands(program: Command, { terminal, now }: CliParts): void {
  const say = words[terminal.language];
  program
    .command('init')
    .description(
      'Make the key with which this site signs its manifest. Once per site; it never overwrites one.',
    )
    .requiredOption(
      '--manifest-key <file>',
      'where the private half is kept, such as /etc/skooly-backup/manifest.pem',
    )
    .addHelpText('after', exitCodeHelp(['ok', 'failed', 'usage', 'keys']))
    .action(async ({ manifestKey: file }: { manifestKey: string }) => {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      const key = await makeManifestKey(file);
      terminal.write(`${say.fingerprint}  ${key.fingerprint}\n${say.publicKey}   ${key.publicKey}\n`);
      terminal.write(`${say.intoKit}\n`);
    });
  const keys = program.command('keys').description('OpenPGP keys that backups are sealed for.');
  keys
    .command('make')
    .description(
      'Make an Ed25519 key for the drill machine, and print what the configuration of the sites needs of it.',
    )
    .argument('<file>', 'where the private half is kept; never written over')
    .addHelpText('after', exitCodeHelp(['ok', 'failed', 'usage', 'keys']))
    .action(async (file: string) => {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      const { fingerprint, publicKey } = await makeManifestKey(file);
      terminal.complain(`${say.fingerprint}  ${fingerprint}\n`);
      terminal.write(`${JSON.stringify({ drillKeys: [publicKey] })}\n`);
    });
  keys
    .command('check')
    .description('Hold a public key to the rules of enrolment, and print what the configuration needs of it.')
    .argument('<file>', 'public key, as gpg --armor --export writes it')
    .addHelpText('after', exitCodeHelp(['ok', 'failed', 'usage', 'keys']))
    .action(async (file: string) => {
      const enrolledAt = now();
      const { fingerprint, userId, expires } = await enrolRecipient(await readFile(file), enrolledAt);
      terminal.complain(
        `${fingerprint}  ${userId}  ${expires ? `${say.until} ${expires.toISOString()}` : say.withoutEnd}\n`,
      );
      terminal.write(`${JSON.stringify({ file, enrolledAt: enrolledAt.toISOString() })}\n`);
    });
}
