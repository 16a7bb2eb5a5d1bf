import type { Command } from 'commander';
import pino from 'pino';
import { expect, test } from 'vitest';
import { buildCli } from '../cli/cli.ts';
import {
  exitCodeHelp,
  exitCodes,
  restoreExitCodes,
  rowsBackExitCodes,
  syncLogExitCodes,
} from '../cli/exit-codes.ts';
import type { Language } from '../cli/terminal.ts';
import { frenchExits, frenchHelp } from './help.ts';

function program(language: Language) {
  let said = '';
  const hear = (text: string) => {
    said += text;
  };
  const built = buildCli({
    openRegion: () => {
      throw new Error('no region is asked');
    },
    terminal: { write: hear, complain: hear, live: false, language, askHidden: async () => null },
    signal: new AbortController().signal,
    now: () => new Date(),
    log: pino({ level: 'silent' }),
    setExitCode: () => undefined,
  });
  return {
    built,
    async type(...args: string[]) {
      said = '';
      await built.parseAsync(args, { from: 'user' }).catch(() => undefined);
      return said;
    },
  };
}

function descriptions(command: Command): string[] {
  return [
    command.description(),
    ...[...command.options, ...command.registeredArguments].map(({ description }) => description),
    ...command.commands.flatMap(descriptions),
  ];
}

test('every command, option and exit code is described in French too', () => {
  const said = new Set(descriptions(program('en').built));
  expect([...said].sort()).toEqual(Object.keys(frenchHelp).sort());
  const names = Object.keys(exitCodes) as (keyof typeof exitCodes)[];
  const text =
    exitCodeHelp(names) +
    [restoreExitCodes, rowsBackExitCodes, syncLogExitCodes].map((more) => exitCodeHelp([], more)).join('');
  const exits = [...text.matchAll(/^ +\d+ {2}(.+)$/gm)].map(([, words]) => words as string);
  for (const words of exits) expect(frenchExits).toHaveProperty([words]);
});

test('help and complaints are in the language of the terminal', async () => {
  const french = program('fr');
  const help = await french.type('sync-log', '--help');
  expect(help).toMatch(/^Usage : skooly-backup sync-log \[options\]\n\nRamène le journal/);
  expect(help).toContain('affiche cette aide');
  expect(help).toMatch(/Codes de sortie :\n +0 {2}fait\n/);
  expect(help).toMatch(/41 {2}il manque des transactions au journal/);
  expect(await french.type('restore', '--latest')).toBe(
    'erreur : l’option « --to <folder> » est obligatoire\n',
  );
  expect(await french.type('restore', '--to', 'x', '--port', '0')).toContain('Donnez un port de 1 à 65535.');
  const english = program('en');
  expect(await english.type('sync-log', '--help')).toMatch(
    /^Usage: skooly-backup sync-log \[options\]\n\nBring the sync log/,
  );
  expect(await english.type('restore', '--latest')).toContain(
    "error: required option '--to <folder>' not specified",
  );
});
