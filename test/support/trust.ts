/** A box that the cloud trusts, as pairing makes one, without the relay's HTTP; its sessions are real ones. */
import { enrolText, publicKeyText, readPairingCode, signText } from '@skooly-edge/sync-protocol';
import type { ClientBase } from 'pg';
import { openRelay } from '../../apps/appliance/src/cloud-tls/open-relay.ts';
import { adoptNextKey, nextBoxKey } from '../../apps/appliance/src/enrol/box-key.ts';
import { RelaySession } from '../../apps/appliance/src/enrol/relay-session.ts';
import { askToEnrol, pair } from '../../apps/cloud-relay/src/enrol/enrol.ts';

/** Makes the box's key in its state folder, and has it confirmed. @returns its fingerprint */
export async function trustBox(cloud: ClientBase, campus: string, stateDir: string): Promise<string> {
  const code = await pair(cloud, { campus, by: 'a test', confirmAutomatically: true });
  const { privateKey, publicKey, fingerprint } = nextBoxKey(stateDir);
  const signature = signText(enrolText(campus, readPairingCode(code) ?? '', fingerprint), privateKey);
  await askToEnrol(cloud, { campus, code, publicKey: publicKeyText(publicKey), signature });
  adoptNextKey(stateDir);
  return fingerprint;
}

/** @param caFile Of the authority of an https URL. */
export function sessionOf(relayUrl: URL, campus: string, stateDir: string, caFile?: string): RelaySession {
  const { fetch } = openRelay({ relayUrl, caFile, cloudKeyFile: undefined });
  return new RelaySession({ relayUrl, campus, stateDir, fetch, monotonicMs: () => performance.now() });
}
