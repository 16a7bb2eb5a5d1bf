/** The proofs of drills that this machine keeps: the sealed ones in the regions are for those who hold a key. */
import { existsSync } from 'node:fs';
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

/** On the site's own machine the daemon takes a copy along to the regions. @returns where it is kept. */
export async function keepProof(
  folder: string,
  signed: SignedProof,
  stateDir: string | undefined,
): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const text = `${JSON.stringify(signed, null, 2)}\n`;
  const file = join(folder, `${signed.proof.at.replaceAll(/[:.]/g, '')}-${signed.proof.drill}.json`);
  await writeWhole(`${file}.new`, file, text);
  if (stateDir !== undefined && existsSync(proofFolderOf(stateDir)))
    await writeWhole(
      join(stateDir, 'proof.new'),
      join(proofFolderOf(stateDir), `${signed.proof.drill}.json`),
      text,
    );
  return file;
}

const proofFolderOf = (stateDir: string) => join(stateDir, 'spool', 'incoming', 'proof');

async function writeWhole(temporary: string, file: string, text: string): Promise<void> {
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}
