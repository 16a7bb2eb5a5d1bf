/** `skooly-edge enrol`: run once on a new box, with the code that an administrator reads out. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { RelayIdentity } from '../cloud-tls/open-relay.ts';
import type { RelayFetch } from '../relay-client/relay-fetch.ts';
import { askToEnrol, waitForConfirmation } from './enrol.ts';
import { EnrolError } from './errors.ts';

interface Options {
  code: string;
  campus?: string;
  relay?: string;
  stateDir?: string;
  ca?: string;
  cloudKey?: string;
  wait: string;
}

/** How the relay is reached, until it is closed. */
export type OpenRelay = (identity: RelayIdentity) => { fetch: RelayFetch; close(): Promise<void> };

/** As long as a code lives. */
const usualWaitSeconds = 900;

export function addEnrolCommand(
  program: Command,
  env: Readonly<Record<string, string | undefined>>,
  write: (text: string) => unknown,
  openRelay: OpenRelay,
): void {
  program
    .command('enrol')
    .description('Ask the cloud to trust this box, with the code of an administrator. Its key is made here.')
    .requiredOption('--code <code>', 'as `skooly-relay pair` gave it')
    .option('--campus <id>', 'usual: EDGE_CAMPUS', env.EDGE_CAMPUS)
    .option('--relay <url>', 'usual: EDGE_RELAY_URL', env.EDGE_RELAY_URL)
    .option('--state-dir <folder>', 'usual: EDGE_STATE_DIR', env.EDGE_STATE_DIR)
    .option('--ca <file>', "the cloud's authorities (PEM); usual: EDGE_CLOUD_CA_FILE", env.EDGE_CLOUD_CA_FILE)
    .option(
      '--cloud-key <file>',
      "the relay's public key; usual: EDGE_CLOUD_PUBLIC_KEY_FILE",
      env.EDGE_CLOUD_PUBLIC_KEY_FILE,
    )
    .option('--wait <seconds>', 'how long to wait until it is confirmed', String(usualWaitSeconds))
    .action(async ({ code, campus, relay, stateDir, ca, cloudKey, wait }: Options) => {
      const relayUrl = URL.parse(relay ?? '');
      if (!campus || !relayUrl || !stateDir)
        throw new EnrolError('ENROL_OPTIONS', 'It is not said which campus, relay or state folder.');
      const relayAtHand = openRelay({ relayUrl, caFile: ca, cloudKeyFile: cloudKey });
      try {
        const options = { code, campus, relayUrl, stateDir, fetch: relayAtHand.fetch };
        const { fingerprint, state } = await askToEnrol(options);
        write(`This box: ${fingerprint}\n`);
        if (state === 'pending') {
          write('Waiting until an administrator compares this fingerprint and confirms the box.\n');
          await waitForConfirmation(options, Number(wait) * 1_000, () => performance.now(), sleep);
        }
      } finally {
        await relayAtHand.close();
      }
      write(`The cloud trusts this box for the campus ${campus}.\n`);
    });
}
