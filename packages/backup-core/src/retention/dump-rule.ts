import { monthOf, type RetentionPolicy, yearsBefore } from './policy.ts';
import type { Dated } from './retention.ts';

interface Context {
  readonly policy: RetentionPolicy;
  readonly proven: ReadonlySet<string>;
  readonly edge: number;
  readonly nowMs: number;
}

type Keep = (name: string, reason: string) => void;

/**
 * The rolling days; the first dump of each month that is in every region (else the first) for the years of the archive;
 * the newest that is in every region; the newest that a drill restored.
 */
export function dumpReasons(dumps: readonly Dated[], context: Context, keep: Keep): void {
  const { policy, proven, edge, nowMs } = context;
  const oldest = monthOf(yearsBefore(nowMs, policy.archiveYears), policy);
  const archives = new Map<string, Dated>();
  for (const dump of dumps) {
    if (dump.at >= edge) keep(dump.object.name, `within ${policy.days} rolling days`);
    const month = monthOf(dump.at, policy);
    if (month < oldest) continue;
    const chosen = archives.get(month);
    if (!chosen || (!chosen.inEveryRegion && dump.inEveryRegion)) archives.set(month, dump);
  }
  for (const [month, { object }] of archives) keep(object.name, `archive of ${month}`);
  for (const dump of dumps) {
    const month = monthOf(dump.at, policy);
    const archive = archives.get(month);
    if (archive && archive !== dump && !archive.inEveryRegion)
      keep(dump.object.name, `no dump of ${month} is in every region`);
  }
  const newest = dumps.findLast((dump) => dump.inEveryRegion) ?? dumps.at(-1);
  if (newest) keep(newest.object.name, 'newest good dump');
  const lastProven = dumps.findLast((dump) => proven.has(dump.object.name));
  if (lastProven) keep(lastProven.object.name, 'last dump that a drill restored');
}
