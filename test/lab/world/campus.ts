/** The campus: database, Skooly without rows of its own, appliance. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncRole } from '@skooly-edge/sync-protocol';
import { movedData } from '../postgres/owner.ts';
import type { ProcessSpec } from '../processes/kept-process.ts';
import { launchServer } from '../processes/node-process.ts';
import { keptName, makeEdgeFolder } from './campuses.ts';
import { ensureDatabase, loadOnce } from './database.ts';
import { readSecret } from './keys.ts';
import { programs } from './layout.ts';
import { postgresProcess, roleUrl, superuserUrl } from './postgres-process.ts';
import {
  APP_ROLE,
  httpsUrl,
  httpUrl,
  isHealthy,
  type ProcessName,
  type RunStep,
  type World,
} from './world.ts';

/** A cut in the lab is noticed within three seconds, also while nobody uses it, and the way back is short. */
const shortLinkTimes = {
  EDGE_LINK_INTERVAL_MS: '400',
  EDGE_LINK_REST_AFTER_MS: '86400000',
  EDGE_LINK_SUSPECT_INTERVAL_MS: '200',
  EDGE_LINK_TIMEOUT_MS: '600',
  EDGE_LINK_MISSES: '3',
  EDGE_LINK_HITS: '3',
  EDGE_LINK_HOLD_DOWN_MIN_MS: '1000',
  EDGE_LINK_HOLD_DOWN_MAX_MS: '4000',
};

export function campusAdminUrl(world: World, database = world.database): string {
  return superuserUrl(world.layout.campusPostgres, world.ports.campusPostgres, database);
}

/** Structure of the campus's database, without rows: the appliance gets them from the relay. */
export async function makeCampusDatabase(world: World, run: RunStep): Promise<void> {
  const adminUrl = campusAdminUrl(world, 'postgres');
  if (world.other !== null) {
    await ensureDatabase(adminUrl, world.database);
    await loadOnce(campusAdminUrl(world), [world.other.schema]);
  } else {
    const password = readSecret(world.keys.campusAppPassword);
    await ensureDatabase(adminUrl, world.database, { role: APP_ROLE, password });
    await run('campus-setup', programs.skooly, ['migrate'], skoolyEnv(world));
  }
}

export async function prepareCampus(world: World, run: RunStep): Promise<void> {
  const files = ['--sync-map', world.syncMapFile, '--password-file', world.keys.campusSyncPassword];
  const args = ['prepare', '--admin-url', campusAdminUrl(world), ...files, '--campus', world.campus];
  await run('campus-setup', programs.edge, args);
}

/** Whether the box has a key. */
export function hasBoxKey(world: World): boolean {
  return existsSync(join(world.layout.edgeState, 'box-key.pem'));
}

/** The box asks the running relay to be trusted. */
export async function enrolCampus(world: World, run: RunStep, code: string): Promise<void> {
  const place = [
    ...['--relay', httpsUrl(world.ports.cableRelay), '--ca', world.keys.cloudCa],
    ...['--state-dir', world.layout.edgeState],
  ];
  await run('campus-setup', programs.edge, ['enrol', '--code', code, '--campus', world.campus, ...place]);
}

export function campusSkooly(world: World): ProcessSpec {
  const listen = world.ports.campusSkooly;
  const env = { ...skoolyEnv(world), SKOOLY_LISTEN: `127.0.0.1:${listen}`, ...world.env['campus-skooly'] };
  const logFile = world.layout.log('campus-skooly');
  const command = { name: 'campus-skooly', script: programs.skooly, args: ['serve'], logFile, env };
  return {
    name: 'campus-skooly',
    launch: (onSpawn) => launchServer(command, () => isHealthy(`${httpUrl(listen)}/healthz`), onSpawn),
  };
}

export function appliance(world: World): ProcessSpec {
  const { ports, keys, layout } = world;
  const syncPassword = readSecret(keys.campusSyncPassword);
  // Read when it starts: whoever loaded another database has no password before its server was made.
  const env = () => ({
    EDGE_CAMPUS: world.campus,
    EDGE_STATE_DIR: layout.edgeState,
    EDGE_DATABASE_URL: roleUrl(syncRole, syncPassword, ports.campusPostgres, world.database),
    EDGE_SYNC_MAP: world.syncMapFile,
    EDGE_RELAY_URL: httpsUrl(ports.cableRelay),
    EDGE_CLOUD_CA_FILE: keys.cloudCa,
    EDGE_CLOUD_PUBLIC_KEY_FILE: keys.relayPublicKey,
    EDGE_MIGRATION_DATABASE_URL: ownerUrl(world),
    EDGE_RELEASE_PUBLIC_KEY_FILE: keys.releasePublicKey,
    EDGE_GATEWAY_LISTEN: `127.0.0.1:${ports.gateway}`,
    EDGE_ADMIN_LISTEN: `127.0.0.1:${ports.admin}`,
    EDGE_CLOUD_APP_URL: httpUrl(ports.cableSkooly),
    EDGE_LOCAL_APP_URL: httpUrl(ports.campusSkooly),
    ...shortLinkTimes,
    EDGE_LINK_APP_CHECK: world.other === null ? 'on' : 'off',
    ...world.env.appliance,
  });
  const command = {
    name: 'appliance',
    script: programs.edge,
    args: ['serve'],
    logFile: layout.log('appliance'),
  };
  const answers = () => isHealthy(`${httpUrl(ports.admin)}/healthz`);
  return {
    name: 'appliance',
    launch: (onSpawn) => launchServer({ ...command, env: env() }, answers, onSpawn),
  };
}

/** The box is gone with its disk. @returns a copy of its state folder: what its last backup held */
export function loseBox(world: World): string {
  const { edgeState, campusPostgres } = world.layout;
  const saved = `${edgeState}-saved`;
  renameSync(edgeState, saved);
  makeEdgeFolder(world);
  for (const folder of [movedData(campusPostgres), campusPostgres])
    rmSync(folder, { recursive: true, force: true });
  return saved;
}

/** The processes of one campus, in the order of their start. */
export function campusProcesses(world: World, onNote: (note: string) => void): ProcessSpec[] {
  const { layout, ports, postgresSettings: settings, env } = world;
  const place = { dir: layout.campusPostgres, port: ports.campusPostgres };
  const specs = [
    postgresProcess({ name: 'campus-postgres', ...place, settings, env: env['campus-postgres'], onNote }),
    ...(world.other === null ? [campusSkooly(world)] : []),
    appliance(world),
  ];
  const first = world.campuses[0] as string;
  return specs.map((spec) => ({ ...spec, name: keptName(spec.name as ProcessName, world.campus, first) }));
}

/** Of the role that owns the tables: Skooly's own, or whoever loaded another database. */
function ownerUrl(world: World): string {
  if (world.other !== null) return campusAdminUrl(world);
  const password = readSecret(world.keys.campusAppPassword);
  return roleUrl(APP_ROLE, password, world.ports.campusPostgres, world.database);
}

function skoolyEnv(world: World): Record<string, string> {
  return {
    SKOOLY_SITE: world.campus,
    SKOOLY_DATABASE_URL: ownerUrl(world),
    SKOOLY_SESSION_KEY_FILE: world.keys.campusSessionKey,
    SKOOLY_TRUSTED_KEYS_FILE: world.keys.trustedKeys,
  };
}
