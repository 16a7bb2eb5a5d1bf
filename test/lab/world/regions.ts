/**
 * The two regions that backups go to: S3 servers of their own, with their data in the lab's folder. The cloud reaches them
 * directly, each campus through its cable.
 */

import type { Behaviour, Fault } from '../../support/s3/faults.ts';
import type { Credential } from '../../support/s3/signature.ts';
import type { ProcessSpec } from '../processes/kept-process.ts';
import { launchServer } from '../processes/node-process.ts';
import { type KeyFiles, readSecret } from './keys.ts';
import { programs } from './layout.ts';
import type { Ports } from './ports.ts';
import { httpUrl, isHealthy, type ProcessName, type World } from './world.ts';

export const BACKUP_BUCKET = 'skooly-backups';

interface RegionPlace {
  readonly name: string;
  readonly process: ProcessName;
  readonly port: keyof Ports;
  /** Where a campus reaches it. */
  readonly cablePort: keyof Ports;
  readonly key: keyof KeyFiles;
}

export const regionPlaces: readonly RegionPlace[] = [
  {
    name: 'paris',
    process: 'region-paris',
    port: 'regionParis',
    cablePort: 'cableParis',
    key: 'regionParis',
  },
  {
    name: 'douala',
    process: 'region-douala',
    port: 'regionDouala',
    cablePort: 'cableDouala',
    key: 'regionDouala',
  },
];

/** What a stock S3 client needs (path style, any signing region). */
export interface RegionAddress {
  readonly name: string;
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** With the credentials of the buckets' owner. */
export function regionAddresses(world: World): readonly RegionAddress[] {
  return regionPlaces.map((place) => addressOf(world, place, 'port', 'everything'));
}

/** As a campus's box knows them: through its cable, with the credentials of a host. */
export function regionAddressesOnCampus(world: World): readonly RegionAddress[] {
  return regionPlaces.map((place) => addressOf(world, place, 'cablePort', 'host'));
}

export function regionProcesses(world: World): ProcessSpec[] {
  return regionPlaces.map((place) => {
    const port = world.ports[place.port];
    const command = {
      name: place.process,
      script: programs.s3,
      args: [],
      logFile: world.layout.log(place.process),
      env: {
        S3_DIR: world.layout.region(place.name),
        S3_PORT: String(port),
        S3_CREDENTIALS_FILE: world.keys[place.key],
        S3_BUCKET: BACKUP_BUCKET,
        ...world.env[place.process],
      },
    };
    return {
      name: place.process,
      launch: (onSpawn) => launchServer(command, () => isHealthy(controlUrl(httpUrl(port))), onSpawn),
    };
  });
}

/** Makes a region fail in some way until it is told otherwise; new faults replace those before. */
export async function disturbRegion(
  region: Pick<RegionAddress, 'endpoint'>,
  change: { behaviour?: Partial<Behaviour>; faults?: readonly Fault[] },
): Promise<void> {
  const answer = await fetch(controlUrl(region.endpoint), { method: 'PUT', body: JSON.stringify(change) });
  if (!answer.ok) throw new Error(`the region at ${region.endpoint} answers ${answer.status}`);
}

function addressOf(
  world: World,
  { name, key, ...place }: RegionPlace,
  port: 'port' | 'cablePort',
  may: 'everything' | 'host',
): RegionAddress {
  const known = JSON.parse(readSecret(world.keys[key])) as Credential[];
  const { accessKeyId, secretAccessKey } = known.find((one) => one.may === may) as Credential;
  const endpoint = httpUrl(world.ports[place[port]]);
  return { name, endpoint, bucket: BACKUP_BUCKET, credentials: { accessKeyId, secretAccessKey } };
}

function controlUrl(endpoint: string): string {
  return `${endpoint}/_control`;
}
