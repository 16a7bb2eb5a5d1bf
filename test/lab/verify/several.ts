/** All campuses compared with their cloud, at the same time. */
import { type Addresses, askAppliance } from '../world/status.ts';
import { type Comparison, compareSites } from './verify.ts';

export interface CampusComparison extends Comparison {
  readonly campus: string;
}

/** What all campuses come to together, and each by itself. */
export interface WholeComparison extends Comparison {
  readonly campuses: readonly CampusComparison[];
}

export async function compareCampuses(
  addresses: readonly Pick<Addresses, 'cloud' | 'campus'>[],
  options: { readonly syncMapFile: string; readonly waitSeconds: number },
): Promise<WholeComparison> {
  const campuses = await Promise.all(
    addresses.map(async ({ cloud, campus }) => {
      const sites = { cloudUrl: cloud.postgres, campusUrl: campus.postgres, campus: campus.id };
      const pending = async () => (await askAppliance(campus.admin))?.sync.pendingTransactions ?? null;
      return { campus: campus.id, ...(await compareSites({ ...sites, ...options, pending })) };
    }),
  );
  const pending = campuses.map(({ pendingTransactions }) => pendingTransactions);
  return {
    equal: campuses.every(({ equal }) => equal),
    pendingTransactions: pending.reduce((sum, one) => (sum === null || one === null ? null : sum + one)),
    rows: campuses.reduce((sum, { rows }) => sum + rows, 0),
    tables: campuses.flatMap(({ tables }) => tables),
    differences: campuses.flatMap(({ differences }) => differences),
    campuses,
  };
}
