import { type Command, InvalidArgumentError } from 'commander';
import { DEFAULT_CONFIG } from './config/default-config.ts';

/** Options that several commands have, each with one meaning. */
export function withConfig(command: Command): Command {
  return command.option('--config <file>', 'the configuration', DEFAULT_CONFIG);
}

export function withRegion(command: Command): Command {
  return command
    .option(
      '--region <name>',
      'read this region alone; otherwise every region, each standing in for the others',
    )
    .option('--up-to <entry>', 'read the manifest only up to this entry', wholeNumber);
}

export function withKey(command: Command): Command {
  return command
    .option(
      '--key <file>',
      'private key, as gpg --export-secret-keys writes it; without it gpg and its agent are used',
    )
    .option('--passphrase-file <file>', 'passphrase of that key; otherwise it is asked for')
    .option('--gpg-home <folder>', 'GNUPGHOME of the gpg that opens objects');
}

export function wholeNumber(text: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('use a whole number.');
}

export function portNumber(text: string): number {
  const port = wholeNumber(text);
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('use a port from 1 to 65535.');
}
