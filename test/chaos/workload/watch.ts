/** Looks at one site all the time: a group of which only a part is there was applied in pieces. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const lookEveryMs = 100;

const tornGroups = `
  select family_name, count(*) as rows, min(given_names) as size, count(distinct guardian_name) as stamps
    from pupil where updated_by = 'chaos'
   group by family_name having count(*)::text <> min(given_names) or count(distinct guardian_name) > 1`;

export async function watchSite(
  site: { url: string; name: string; problems: string[] },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const client = new pg.Client({ connectionString: site.url });
    client.on('error', () => {});
    try {
      await client.connect();
      while (!signal.aborted) {
        for (const torn of (await client.query(tornGroups)).rows)
          site.problems.push(`in pieces at ${site.name}: ${JSON.stringify(torn)}`);
        await sleep(lookEveryMs);
      }
    } catch {
      await sleep(lookEveryMs);
    } finally {
      await client.end().catch(() => {});
    }
  }
}
