import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lab, type LabOptions, openLab } from '../lab/lab.ts';
import { seededRandom } from '../lab/seeded-random.ts';
import { purge } from '../lab/world/purge.ts';

/** Faster, and as safe against the crash of a process; only a power cut could tell the difference. */
const FAST_POSTGRES = { fsync: false, full_page_writes: false };

export interface TestLab extends AsyncDisposable {
  readonly lab: Lab;
  /** What the lab has said, for a failing test to show. */
  readonly said: readonly string[];
  /** Ends the lab and removes its folder; with SKOOLY_KEEP_LABS set, the folder stays. */
  close(): Promise<void>;
}

/** A lab of its own in a temporary folder, up and ready. */
export async function startTestLab(options: Partial<LabOptions> = {}): Promise<TestLab> {
  const dir = temporaryFolder();
  const said: string[] = [];
  const report = (line: string) => said.push(line);
  const lab = await openLab({
    dir,
    postgresSettings: FAST_POSTGRES,
    random: seededRandom(1),
    report,
    ...options,
  });
  const close = async () => {
    await lab.down();
    if (process.env.SKOOLY_KEEP_LABS === undefined) purge(lab.world.layout.dir);
  };
  try {
    await lab.up();
  } catch (error) {
    await lab.down();
    throw error;
  }
  return { lab, said, close, [Symbol.asyncDispose]: close };
}

/** Of a kind that the user of Postgres may walk into. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-lab-'));
  chmodSync(dir, 0o755);
  return dir;
}
