/** The proofs of drills that this machine keeps: the sealed ones in the regions are for those who hold a key. */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Proof, readProof, type SignedProof } from '../drill/proof.ts';
import { trustedKeys } from './archive.ts';
import type { BackupConfig } from './config/config.ts';

export async function readProofs(config: BackupConfig): Promise<Proof[]> {
  if (config.stateDir === undefined) return [];
  const folder = join(config.stateDir, 'proofs');
  const trusted = new Set((await trustedKeys(config)).map(({ publicKey }) => publicKey));
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
  const proofs: Proof[] = [];
  for (const name of names.sort()) {
    const proof = readProof(await readFile(join(folder, name), 'utf8'), trusted);
    if (proof) proofs.push(proof);
  }
  return proofs;
}

/** @returns where it is kept. */
export async function keepProof(folder: string, signed: SignedProof): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${signed.proof.at.replaceAll(/[:.]/g, '')}-${signed.proof.drill}.json`);
  await writeFile(`${file}.new`, `${JSON.stringify(signed, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return file;
}
