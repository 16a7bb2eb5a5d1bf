/**
 * What the regions hold of the site, behind a manifest that was verified: the first thing that each command does. Every region
 * is read, and each held against the others and against what this machine has seen before; or one region alone, when told.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SealedObject } from '../format/object.ts';
import { loadManifestKey, type TrustedKey } from '../keys/manifest-key.ts';
import { unlockPrivateKey } from '../keys/private-key.ts';
import type { Head } from '../manifest/entry.ts';
import type { Manifest } from '../manifest/read-manifest.ts';
import { readRegions } from '../manifest/read-regions.ts';
import type { Region } from '../region/region.ts';
import { withRetry } from '../region/retry.ts';
import { RegionCredentials, type RegionSettings } from '../region/settings.ts';
import type { Fault, Reader } from '../restore/objects.ts';
import type { RegionEvidence } from '../retention/retention.ts';
import { type Decryptor, sessionKeys } from '../seal/open.ts';
import { openObject } from '../seal/open-object.ts';
import { ByteThread } from '../thread/byte-thread.ts';
import { manifestStoreOf } from '../upload/manifest-store.ts';
import { type BackupConfig, readSecret, regionField } from './config/config.ts';
import { ConfigError } from './config/errors.ts';
import type { Terminal } from './terminal.ts';
import { words } from './words.ts';

export type OpenRegion = (settings: RegionSettings) => Region & { close?(): void };

export interface ArchiveOptions {
  readonly config: BackupConfig;
  readonly openRegion: OpenRegion;
  /** This one alone. */
  readonly only?: string | undefined;
  /** An operator's decision when what follows is damaged. */
  readonly upTo?: number | undefined;
  readonly signal: AbortSignal;
}

export interface Archive {
  readonly site: string;
  readonly manifest: Manifest;
  readonly objects: readonly SealedObject[];
  readonly regions: readonly Region[];
  readonly behind: readonly { readonly store: string; readonly head: Head }[];
  readonly failed: readonly { readonly store: string; readonly error: unknown }[];
  close(): void;
}

export async function openArchive(options: ArchiveOptions): Promise<Archive> {
  const { config, only, upTo, signal } = options;
  const opened = openRegions(options);
  const regions = opened.map((region) => withRetry(region));
  const close = () => {
    for (const region of opened) region.close?.();
  };
  try {
    const folder = config.stateDir ?? tmpdir();
    const stores = regions.map((region) => manifestStoreOf(region, { folder }));
    const remembered = await seenHead(config);
    const read = await readRegions(stores, {
      site: config.site,
      trusted: await trustedKeys(config),
      ...(remembered && only === undefined && { remembered }),
      ...(upTo !== undefined && { upTo }),
      signal,
    });
    if (upTo === undefined) await rememberHead(config, read.manifest.head, remembered);
    const objects = read.manifest.live.map(({ object }) => object);
    return { site: config.site, ...read, objects, regions, close };
  } catch (error) {
    close();
    throw error;
  }
}

function openRegions({ config, openRegion, only }: ArchiveOptions): (Region & { close?(): void })[] {
  const chosen = config.regions.filter(({ name }) => only === undefined || name === only);
  if (chosen.length === 0)
    throw new ConfigError(
      '--region',
      `names ${only}`,
      `use ${config.regions.map(({ name }) => name).join(' or ')}`,
    );
  return chosen.map((values) => openRegion(regionSettings(config, values)));
}

/** @param probePrefix Where what probes an endpoint is put: a site's credential may write below its own prefix alone. */
export function regionSettings(
  config: BackupConfig,
  values: BackupConfig['regions'][number],
  probePrefix = `${config.site}/`,
): RegionSettings {
  const { name, endpoint, bucket, accessKeyId, secretKeyFile, signingRegion, pathStyle, lockMode } = values;
  const secret = readSecret(regionField(config, values, 'secretKeyFile'), secretKeyFile);
  return {
    name,
    endpoint,
    bucket,
    credentials: new RegionCredentials(accessKeyId, secret),
    probePrefix,
    abilitiesFile: config.stateDir ? join(config.stateDir, `region-${name}.json`) : null,
    ...(signingRegion !== undefined && { signingRegion }),
    ...(pathStyle !== undefined && { pathStyle }),
    ...(lockMode !== undefined && { lockMode }),
  };
}

/** The keys of the configuration; on the site's own machine, that of its manifest. */
export async function trustedKeys(config: BackupConfig): Promise<TrustedKey[]> {
  const { site, trustedKeys: trusted = [], manifestKeyFile } = config;
  const keys: TrustedKey[] = trusted.map((key) => ({ site, ...key }));
  if (keys.length > 0 || manifestKeyFile === undefined) return keys;
  return [{ site, publicKey: (await loadManifestKey(manifestKeyFile)).publicKey }];
}

const headFile = (config: BackupConfig) => (config.stateDir ? join(config.stateDir, 'head-seen.json') : null);

async function seenHead(config: BackupConfig): Promise<Head | undefined> {
  const file = headFile(config);
  const text = file ? await readFile(file, 'utf8').catch(() => null) : null;
  return text === null ? undefined : (JSON.parse(text) as Head);
}

async function rememberHead(config: BackupConfig, head: Head, before: Head | undefined): Promise<void> {
  const file = headFile(config);
  if (file === null || (before && before.number >= head.number)) return;
  await mkdir(config.stateDir as string, { recursive: true, mode: 0o700 });
  await writeFile(`${file}.new`, JSON.stringify(head), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** What each region says that it holds, by listing; a size that differs from the manifest's counts as not there. */
export async function evidence(archive: Archive, signal: AbortSignal): Promise<RegionEvidence[]> {
  const sizes = new Map(archive.objects.map(({ name, bytes }) => [name, bytes]));
  return Promise.all(
    archive.regions.map(async (region): Promise<RegionEvidence> => {
      try {
        const holds = new Map<string, Date | null>();
        for await (const { name, bytes } of region.list(`${archive.site}/`, { signal }))
          if (sizes.get(name) === bytes) holds.set(name, null);
        return { region: region.name, holds };
      } catch {
        signal.throwIfAborted();
        return { region: region.name, holds: null };
      }
    }),
  );
}

export interface KeyOptions {
  key?: string;
  passphraseFile?: string;
  gpgHome?: string;
}

/** A private key in a file, or gpg with its agent (and a smartcard behind it). */
export async function decryptorOf(options: KeyOptions, terminal: Terminal): Promise<Decryptor> {
  const { key, passphraseFile, gpgHome } = options;
  if (key === undefined) return { kind: 'gpg', ...(gpgHome !== undefined && { home: gpgHome }) };
  const passphrase = async () => {
    if (passphraseFile !== undefined) return readSecret('--passphrase-file', passphraseFile);
    const typed = await terminal.askHidden(`${words[terminal.language].passphrase} ${key}: `);
    if (typed === null)
      throw new ConfigError('--passphrase-file', 'is not given', 'name a file with the passphrase');
    return typed;
  };
  return { kind: 'key', privateKey: await unlockPrivateKey(key, passphrase) };
}

/** A private key at hand opens objects in a thread of their own; gpg is a process already. */
export function readerOf(archive: Archive, decryptor: Decryptor, onFault: (fault: Fault) => void): Reader {
  const bySha256 = new Map(archive.objects.map(({ sha256, name }) => [sha256, name]));
  const whoHas = (sha256: string) => bySha256.get(sha256);
  const reader: Reader = {
    sources: archive.regions,
    open: (cipher, object) => openObject(cipher, object, decryptor, { whoHas }),
    onFault,
  };
  if (decryptor.kind !== 'key') return reader;
  const thread = new ByteThread();
  const unlock = (keyPackets: Uint8Array) => sessionKeys(keyPackets, decryptor.privateKey);
  return {
    ...reader,
    pour: (cipher, object, sink, signal) =>
      thread.open(cipher, { object, sink, asked: { unlock, whoHas }, signal }),
  };
}
