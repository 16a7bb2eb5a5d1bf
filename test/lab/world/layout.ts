import { join } from 'node:path';

const repository = join(import.meta.dirname, '..', '..', '..');

/** The programs of this repository that the lab runs. */
export const programs = {
  skooly: join(repository, 'apps/skooly/bin/skooly.ts'),
  relay: join(repository, 'apps/cloud-relay/bin/skooly-relay.ts'),
  edge: join(repository, 'apps/appliance/bin/skooly-edge.ts'),
  skoolySyncMap: join(repository, 'apps/skooly/sync-map.json'),
  s3: join(repository, 'test/support/s3/bin/s3.ts'),
  labCli: join(repository, 'test/lab/bin/lab.ts'),
};

export type Layout = ReturnType<typeof layout>;

/** Where everything of one lab lives, all below its state folder. */
export function layout(dir: string) {
  return {
    dir,
    state: join(dir, 'lab.json'),
    lock: join(dir, 'lab.lock'),
    supervisorLog: join(dir, 'logs', 'supervisor.log'),
    logs: join(dir, 'logs'),
    log: (name: string) => join(dir, 'logs', `${name}.log`),
    keys: join(dir, 'keys'),
    cloudPostgres: join(dir, 'cloud', 'postgres'),
    campusPostgres: join(dir, 'campus', 'postgres'),
    edgeState: join(dir, 'campus', 'edge'),
    region: (name: string) => join(dir, 'regions', name),
    syncMap: join(dir, 'sync-map.json'),
  };
}
