/**
 * Proofs of drills: signed, in clear, under a prefix of their own in every region, where the drill machine may write and the
 * sites read. Only those count that a drill key of the configuration signed.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { usualDrills } from '../drill/drill-schedule.ts';
import { type Proof, readProof, type SignedProof } from '../drill/proof.ts';
import { utcStamp } from '../format/names.ts';
import { loadManifestKey } from '../keys/manifest-key.ts';
import { noMultipartState, type Region } from '../region/region.ts';
import type { BackupConfig } from './config/config.ts';

/** The newest ones tell how drills are; older ones are evidence that nobody asks for every day. */
const NEWEST = 100;

const DAY_MS = 24 * 3_600_000;

export const proofPrefix = (site: string) => `drills/${site}/`;

/** From this machine and from the regions that answer, oldest first. */
export async function readProofs(
  config: BackupConfig,
  regions: readonly Pick<Region, 'list' | 'get'>[],
  signal: AbortSignal,
): Promise<Proof[]> {
  const trusted = new Set(config.drillKeys ?? []);
  if (config.drills?.keyFile !== undefined)
    trusted.add((await loadManifestKey(config.drills.keyFile)).publicKey);
  if (trusted.size === 0) return [];
  const found = new Map<string, Proof>();
  const take = (written: string) => {
    const proof = readProof(written, trusted);
    if (proof?.site === config.site) found.set(proof.drill, proof);
  };
  for (const written of await localProofs(config)) take(written);
  for (const region of regions) {
    try {
      for (const written of await regionProofs(region, config.site, signal)) take(written);
    } catch {
      signal.throwIfAborted();
    }
  }
  return [...found.values()].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

async function localProofs({ stateDir }: BackupConfig): Promise<string[]> {
  if (stateDir === undefined) return [];
  const folder = join(stateDir, 'proofs');
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
  return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
}

async function regionProofs(
  region: Pick<Region, 'list' | 'get'>,
  site: string,
  signal: AbortSignal,
): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of region.list(proofPrefix(site), { signal })) names.push(name);
  return Promise.all(
    names
      .sort()
      .slice(-NEWEST)
      .map(async (name) => text(await region.get(name, { signal }))),
  );
}

/** @returns where it is kept on this machine. */
export async function keepProof(folder: string, signed: SignedProof): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, fileName(signed.proof));
  await writeFile(`${file}.new`, `${JSON.stringify(signed)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return file;
}

export async function publishProof(
  path: string,
  { proof }: SignedProof,
  region: Pick<Region, 'put'>,
  signal: AbortSignal,
): Promise<void> {
  const bytes = await readFile(path);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const options = { signal, state: noMultipartState };
  await region.put(proofPrefix(proof.site) + fileName(proof), { path, bytes: bytes.length, sha256 }, options);
}

function fileName({ at, drill }: Proof): string {
  return `${utcStamp(new Date(at))}-${drill}.json`;
}

export function drillPolicies({ drills }: BackupConfig): typeof usualDrills {
  const { base, dump } = usualDrills;
  const days = (policy: typeof base, count: number | undefined) =>
    count === undefined ? policy : { ...policy, everyMs: count * DAY_MS };
  return { base: days(base, drills?.baseEveryDays), dump: days(dump, drills?.dumpEveryDays) };
}
