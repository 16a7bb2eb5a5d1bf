import type { Command } from 'commander';
import type { SealedObject } from '../format/object.ts';
import type { Region } from '../region/region.ts';
import type { Decryptor } from '../seal/open.ts';
import { openObject, verifyCipher } from '../seal/open-object.ts';
import { type Archive, decryptorOf, evidence, type KeyOptions, openArchive } from './archive.ts';
import type { CliParts } from './cli.ts';
import { readConfig } from './config/config.ts';
import { exitCodeHelp, exitCodes, reasonOf } from './exit-codes.ts';
import { withConfig, withKey, withRegion } from './shared-options.ts';
import type { Language } from './terminal.ts';
import { words } from './words.ts';

interface Options extends KeyOptions {
  config: string;
  region?: string;
  upTo?: number;
  deep?: boolean;
  open?: boolean;
}

/** Objects that are read at once from a region. */
const AT_ONCE = 4;

export function addVerifyCommand(program: Command, parts: CliParts): void {
  const command = program
    .command('verify')
    .description(
      'Verify the manifest, and that each region holds every object whole: by listing, with --deep by reading each and hashing it.',
    )
    .option('--deep', 'read every object and hold it to its hash in the manifest; needs no key')
    .option('--open', 'decrypt and decompress every object as well; needs a private key')
    .addHelpText(
      'after',
      exitCodeHelp(['ok', 'failed', 'usage', 'unreachable', 'manifest', 'damaged', 'keys']),
    );
  withKey(withRegion(withConfig(command))).action((options: Options) => verify(options, parts));
}

async function verify(
  options: Options,
  { openRegion, terminal, signal, setExitCode }: CliParts,
): Promise<void> {
  const say = words[terminal.language];
  const config = readConfig(options.config);
  const decryptor = options.open ? await decryptorOf(options, terminal) : null;
  const archive = await openArchive({ config, openRegion, only: options.region, upTo: options.upTo, signal });
  try {
    const { head } = archive.manifest;
    terminal.write(
      `${say.manifest}: ${say.entry} ${head.number} ${say.of} ${head.at}, ${archive.objects.length} ${say.objects}: ${say.verified}\n`,
    );
    let problems = 0;
    const report = (text: string) => {
      problems++;
      terminal.write(`${text}\n`);
    };
    for (const { store, error } of archive.failed) report(`${store}: ${reasonOf(error, terminal.language)}`);
    for (const { store, head: ends } of archive.behind) report(`${store}: ${say.endsWith} ${ends.number}`);
    for (const { region, holds } of await evidence(archive, signal)) {
      if (holds === null) report(`${region}: ${say.notListed}`);
      else
        for (const { name } of archive.objects)
          if (!holds.has(name)) report(`${region}: ${name} ${say.missing}`);
    }
    if (options.deep || options.open)
      for (const region of archive.regions)
        await readAll(region, archive, decryptor, report, terminal.language, signal);
    if (problems > 0) setExitCode(exitCodes.damaged);
    terminal.write(problems === 0 ? `${say.whole}\n` : `${problems} ${say.problems}\n`);
  } finally {
    archive.close();
  }
}

async function readAll(
  region: Region,
  { objects }: Archive,
  decryptor: Decryptor | null,
  report: (text: string) => void,
  language: Language,
  signal: AbortSignal,
): Promise<void> {
  const bySha256 = new Map(objects.map(({ sha256, name }) => [sha256, name]));
  const whoHas = (sha256: string) => bySha256.get(sha256);
  const read = async (object: SealedObject) => {
    const cipher = await region.get(object.name, { signal });
    const checked = decryptor
      ? openObject(cipher, object, decryptor, { whoHas })
      : verifyCipher(cipher, object, { whoHas });
    for await (const _ of checked) signal.throwIfAborted();
  };
  const waiting = objects.values();
  const worker = async () => {
    for (const object of waiting) {
      await read(object).catch((error: Error) => {
        signal.throwIfAborted();
        report(`${region.name}: ${reasonOf(error, language, object.name)}`);
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
