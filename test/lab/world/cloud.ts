/** The cloud's side: database, Skooly and its rows, relay. */
import { syncRole } from '@skooly-edge/sync-protocol';
import type { ProcessSpec } from '../processes/kept-process.ts';
import { launchServer } from '../processes/node-process.ts';
import { campusNames } from './campuses.ts';
import { ensureDatabase, isLoaded, loadOnce, markLoaded, withClient } from './database.ts';
import { readSecret } from './keys.ts';
import { programs } from './layout.ts';
import { postgresProcess, roleUrl, superuserUrl } from './postgres-process.ts';
import { APP_ROLE, httpsUrl, httpUrl, isHealthy, type RunStep, type World } from './world.ts';

export function cloudAdminUrl(world: World, database = world.database): string {
  return superuserUrl(world.layout.cloudPostgres, world.ports.cloudPostgres, database);
}

/** Structure of the cloud's database. Changes nothing when it is there. */
export async function makeCloudDatabase(world: World, run: RunStep): Promise<void> {
  const adminUrl = cloudAdminUrl(world, 'postgres');
  if (world.other !== null) {
    await ensureDatabase(adminUrl, world.database);
    await loadOnce(cloudAdminUrl(world), [world.other.schema, world.other.seed]);
    return;
  }
  const password = readSecret(world.keys.cloudAppPassword);
  await ensureDatabase(adminUrl, world.database, { role: APP_ROLE, password });
  await run('cloud-setup', programs.skooly, ['migrate'], skoolyEnv(world));
}

/** Rows of the cloud's database, made by Skooly from a number. Changes nothing when they are there. */
export async function seedCloud(world: World, run: RunStep): Promise<void> {
  if (world.other !== null || (await isLoaded(cloudAdminUrl(world)))) return;
  const number = world.seedNumber === null ? [] : ['--seed-number', String(world.seedNumber)];
  const campuses = ['--campuses', String(seededCampuses(world.campuses))];
  const seed = ['seed', '--size', world.seed, ...campuses, ...number];
  await run('cloud-setup', programs.skooly, seed, skoolyEnv(world));
  await markLoaded(cloudAdminUrl(world));
}

/** Enough for all of the lab, and two at least: the cloud has rows of another campus, which must not reach the one. */
function seededCampuses(campuses: readonly string[]): number {
  return Math.max(2, ...campuses.map((name) => campusNames.indexOf(name) + 1));
}

/** Makes the database ready for the sync. */
export async function prepareCloud(world: World, run: RunStep): Promise<void> {
  const files = ['--sync-map', world.syncMapFile, '--password-file', world.keys.cloudSyncPassword];
  await run('cloud-setup', programs.relay, ['prepare', '--admin-url', cloudAdminUrl(world), ...files]);
}

/** A code for the campus's box; nobody is there to compare fingerprints. */
export async function pairCampus(world: World, run: RunStep): Promise<string> {
  const pair = [
    'pair',
    '--campus',
    world.campus,
    '--by',
    'the lab',
    '--confirm-automatically',
    '--code-only',
  ];
  const env = { RELAY_DATABASE_URL: relayDatabaseUrl(world) };
  return (await run('cloud-setup', programs.relay, pair, env)).trim();
}

/** Whether the cloud trusts a box of the campus. */
export async function trustsCampus(world: World): Promise<boolean> {
  const known = await withClient(cloudAdminUrl(world), (client) =>
    client.query("select from sync.box_key where campus = $1 and state = 'trusted'", [world.campus]),
  );
  return known.rowCount !== 0;
}

/** The processes of the cloud, in the order of their start. */
export function cloudProcesses(world: World, onNote: (note: string) => void): ProcessSpec[] {
  const { layout, ports, postgresSettings: settings, env } = world;
  const place = { dir: layout.cloudPostgres, port: ports.cloudPostgres };
  return [
    postgresProcess({ name: 'cloud-postgres', ...place, settings, env: env['cloud-postgres'], onNote }),
    ...(world.other === null ? [cloudSkooly(world)] : []),
    relay(world),
  ];
}

export function cloudSkooly(world: World): ProcessSpec {
  const listen = world.ports.cloudSkooly;
  return {
    name: 'cloud-skooly',
    launch: (onSpawn) =>
      launchServer(
        {
          name: 'cloud-skooly',
          script: programs.skooly,
          args: ['serve'],
          logFile: world.layout.log('cloud-skooly'),
          env: { ...skoolyEnv(world), SKOOLY_LISTEN: `127.0.0.1:${listen}`, ...world.env['cloud-skooly'] },
        },
        () => isHealthy(`${httpUrl(listen)}/healthz`),
        onSpawn,
      ),
  };
}

export function relay(world: World): ProcessSpec {
  const listen = world.ports.relay;
  const env = {
    RELAY_DATABASE_URL: relayDatabaseUrl(world),
    RELAY_LISTEN: `127.0.0.1:${listen}`,
    RELAY_SYNC_MAP: world.syncMapFile,
    RELAY_SIGNING_KEY_FILE: world.keys.relaySigningKey,
    RELAY_TRUSTED_KEYS_FILE: world.keys.trustedKeys,
    RELAY_TLS_CERT_FILE: world.keys.relayCertificate,
    RELAY_TLS_KEY_FILE: world.keys.relayTlsKey,
    ...world.env.relay,
  };
  const command = {
    name: 'relay',
    script: programs.relay,
    args: ['serve'],
    logFile: world.layout.log('relay'),
    env,
  };
  const health = `${httpsUrl(listen)}/healthz?nonce=${'0'.repeat(16)}`;
  return {
    name: 'relay',
    launch: (onSpawn) =>
      launchServer(command, () => isHealthy(health, readSecret(world.keys.cloudCa)), onSpawn),
  };
}

function relayDatabaseUrl(world: World): string {
  return roleUrl(
    syncRole,
    readSecret(world.keys.cloudSyncPassword),
    world.ports.cloudPostgres,
    world.database,
  );
}

function skoolyEnv(world: World): Record<string, string> {
  const password = readSecret(world.keys.cloudAppPassword);
  return {
    SKOOLY_SITE: 'cloud',
    SKOOLY_DATABASE_URL: roleUrl(APP_ROLE, password, world.ports.cloudPostgres, world.database),
    SKOOLY_SESSION_KEY_FILE: world.keys.cloudSessionKey,
    SKOOLY_TRUSTED_KEYS_FILE: world.keys.trustedKeys,
  };
}
