/**
 * The box's Ed25519 key, in the state folder, readable by its owner only. The private key is made here and never leaves. The
 * key of an enrolment that is not accepted yet lies beside it, so that one which is asked twice asks with the same key.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprintOf } from '@skooly-edge/sync-protocol';
import { EnrolError } from './errors.ts';

const keyFile = 'box-key.pem';
const nextKeyFile = 'box-key.next.pem';

export interface BoxKey {
  privateKey: KeyObject;
  publicKey: KeyObject;
  fingerprint: string;
}

/** @returns null before the box is enrolled. @throws EnrolError KEY_UNREADABLE */
export function readBoxKey(stateDir: string): BoxKey | null {
  return read(join(stateDir, keyFile));
}

/** The key to enrol with: that of an attempt which had no answer, or a fresh one. @throws EnrolError KEY_UNREADABLE */
export function nextBoxKey(stateDir: string): BoxKey {
  const file = join(stateDir, nextKeyFile);
  const begun = read(file);
  if (begun) return begun;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeFileSync(file, pem, { mode: 0o600, flag: 'wx', flush: true });
  return read(file) as BoxKey;
}

/** The cloud has taken the key in: from now on the box is who holds it. */
export function adoptNextKey(stateDir: string): void {
  renameSync(join(stateDir, nextKeyFile), join(stateDir, keyFile));
}

function read(file: string): BoxKey | null {
  if (!existsSync(file)) return null;
  try {
    const privateKey = createPrivateKey(readFileSync(file));
    const publicKey = createPublicKey(privateKey);
    return { privateKey, publicKey, fingerprint: fingerprintOf(publicKey) };
  } catch (cause) {
    throw new EnrolError('KEY_UNREADABLE', `The box's key in ${file} cannot be read.`, { cause });
  }
}
