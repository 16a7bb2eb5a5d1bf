/** `skooly-relay pair`, `confirm`, `revoke` and `boxes`: what a named administrator decides about the boxes of campuses. */
import { sessionConfig } from '@skooly-edge/sync-protocol';
import type { Command } from 'commander';
import { Client } from 'pg';
import { readDatabaseUrl } from '../config/config.ts';
import type { RelayEnv } from '../config/env.ts';
import { boxesScreen, readBoxes } from './boxes.ts';
import { distrust } from './distrust.ts';
import { confirm, pair, pairingMinutes, revoke, waitingBox } from './enrol.ts';

interface Decision {
  campus: string;
  by: string;
}

/** Nothing was confirmed: the fingerprint was only shown. */
const shownOnly = 2;

export function addEnrolCommands(program: Command, readEnv: () => RelayEnv): void {
  const decision = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .requiredOption('--campus <id>', 'lower case, digits and hyphens')
      .requiredOption('--by <name>', 'the administrator who decides; it is recorded');
  const connected = <T>(work: (client: Client) => Promise<T>) => withClient(readEnv(), work);

  decision('pair', 'Make the code with which the box of a campus asks to be trusted.')
    .option(
      '--confirm-automatically',
      'trust whoever brings the code, for set-ups without a person; it is recorded',
    )
    .option('--code-only', 'print nothing but the code')
    .action(async (options: Decision & { confirmAutomatically?: boolean; codeOnly?: boolean }) => {
      const code = await connected((client) => pair(client, options));
      const next = options.confirmAutomatically
        ? 'Whoever brings it is trusted at once.'
        : `Then: skooly-relay confirm --campus ${options.campus} --by NAME`;
      console.log(
        options.codeOnly
          ? code
          : `${code}\nGood for ${pairingMinutes} minutes and one box. On the box: skooly-edge enrol --code ${code}\n${next}`,
      );
    });

  decision(
    'confirm',
    'Trust the box that waits, after comparing its fingerprint with the one that the box shows.',
  )
    .option('--fingerprint <text>', 'as the box shows it; without it, only the one that waits is shown')
    .action(async ({ campus, by, fingerprint }: Decision & { fingerprint?: string }) => {
      await connected(async (client) => {
        if (fingerprint) {
          await confirm(client, { campus, by, fingerprint });
          console.log(`The box of ${campus} is trusted.`);
          return;
        }
        console.log(
          `Waiting: ${await waitingBox(client, campus)}\nIf the box shows the same, run this again with --fingerprint. If not, somebody else has used the code: confirm nothing, and make another one with \`skooly-relay pair\`.`,
        );
        process.exitCode = shownOnly;
      });
    });

  decision(
    'revoke',
    'Trust no box of the campus any more: neither its sync nor the user sessions that it signs.',
  )
    .requiredOption('--reason <text>', 'recorded')
    .option('--trusted-keys <file>', "Skooly's trusted keys; usual: RELAY_TRUSTED_KEYS_FILE")
    .action(async (options: Decision & { reason: string; trustedKeys?: string }) => {
      const { campus } = options;
      await connected((client) => revoke(client, options));
      const file = options.trustedKeys ?? readEnv().RELAY_TRUSTED_KEYS_FILE;
      if (file) takeOff(file, campus);
      console.log(
        file
          ? `${campus} is revoked, and is off ${file}.`
          : `${campus} is revoked for the sync. Take it off Skooly's trusted keys too: no file was named here.`,
      );
    });

  program
    .command('boxes')
    .description('Show the boxes of each campus, and who decided what about them.')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const boxes = await connected(readBoxes);
      console.log(json ? JSON.stringify(boxes) : boxesScreen(boxes));
    });
}

function takeOff(file: string, campus: string): void {
  try {
    distrust(file, [campus]);
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(
      `${campus} is revoked for the sync, but is still on Skooly's trusted keys (${message}): take it off there by hand.`,
      { cause },
    );
  }
}

async function withClient<T>(env: RelayEnv, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(sessionConfig(readDatabaseUrl(env), { applicationName: 'skooly-relay trust' }));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
