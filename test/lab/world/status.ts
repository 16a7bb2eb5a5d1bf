import type { CableStatus } from '../cable/cable.ts';
import type { ProcessStatus } from '../processes/kept-process.ts';
import { campusAdminUrl } from './campus.ts';
import { cloudAdminUrl } from './cloud.ts';
import { type RegionAddress, regionAddresses, regionAddressesOnCampus } from './regions.ts';
import { httpsUrl, httpUrl, type World } from './world.ts';

const ADMIN_TIMEOUT_MS = 2_000;

/** Where a stock client finds everything. Skooly's addresses are null when another database is in its place. */
export interface Addresses {
  readonly cloud: {
    readonly postgres: string;
    readonly skooly: string | null;
    readonly relay: string;
    /** File (PEM) of the authority that the relay's certificate comes from. */
    readonly relayCa: string;
  };
  readonly campus: {
    readonly id: string;
    readonly postgres: string;
    readonly skooly: string | null;
    readonly admin: string;
    /** The one address that users on campus open. */
    readonly gateway: string;
    /** The regions through the campus's cable, with the credentials of its box. */
    readonly regions: readonly RegionAddress[];
  };
  /** Where backups go, as their owner reaches them. */
  readonly regions: readonly RegionAddress[];
}

export interface SyncStatus {
  readonly pendingTransactions: number;
  readonly pendingBytes: number;
  readonly oldestPendingSeconds: number | null;
  readonly conflictsOpen: number;
  readonly parked: number;
  readonly ready: boolean;
  readonly seeding: null | { table: string; tablesDone: number; tablesTotal: number; rows: number };
}

/** What a lab says of one of its campuses. */
export type CampusStatus = Addresses['campus'] & Pick<LabStatus, 'state' | 'cable' | 'sync'>;

export interface LabStatus extends Addresses {
  /** The campus's link state (ONLINE, LOCAL, …); UNKNOWN while the appliance does not answer. */
  readonly state: string;
  readonly lab: 'starting' | 'up' | 'stopping' | 'down';
  readonly dir: string;
  readonly cable: CableStatus;
  /** Null while the appliance does not answer. */
  readonly sync: SyncStatus | null;
  /** All of them; the first one is also what the fields above say. */
  readonly campuses: readonly CampusStatus[];
  readonly processes: readonly ProcessStatus[];
}

export function addressesOf(world: World): Addresses {
  const { ports } = world;
  const skooly = (port: number) => (world.other === null ? httpUrl(port) : null);
  return {
    cloud: {
      postgres: cloudAdminUrl(world),
      skooly: skooly(ports.cloudSkooly),
      relay: httpsUrl(ports.relay),
      relayCa: world.keys.cloudCa,
    },
    campus: {
      id: world.campus,
      postgres: campusAdminUrl(world),
      skooly: skooly(ports.campusSkooly),
      admin: httpUrl(ports.admin),
      gateway: httpUrl(ports.gateway),
      regions: regionAddressesOnCampus(world),
    },
    regions: regionAddresses(world),
  };
}

/** What the appliance says of itself; null when it does not answer. */
export async function askAppliance(adminUrl: string): Promise<{ state: string; sync: SyncStatus } | null> {
  try {
    const answer = await fetch(`${adminUrl}/status`, { signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS) });
    if (!answer.ok) return null;
    return (await answer.json()) as { state: string; sync: SyncStatus };
  } catch {
    return null;
  }
}
