/** What befalls the world while people work. */
import type { World } from './check/check.ts';
import type { Fault } from './plan.ts';

export function befall(world: World, { kind, campus, lastsUs, steps }: Fault): void {
  const { scheduler, relay, cloud, trace } = world;
  const at = world.campuses[campus];
  if (!at) throw new Error(`there is no campus ${campus}`);
  trace.note(at.name, kind);
  switch (kind) {
    case 'cut':
      at.line.up = false;
      scheduler.after(lastsUs, () => {
        at.line.up = true;
      });
      return;
    case 'kill-box':
      at.box.process?.killAfter(steps);
      at.box.process?.onDeath(() => scheduler.after(lastsUs, () => at.box.start()));
      return;
    case 'kill-relay':
      relay.process?.killAfter(steps);
      relay.process?.onDeath(() => scheduler.after(lastsUs, () => relay.start()));
      return;
    case 'crash-campus':
      at.database.crash();
      return;
    case 'crash-cloud':
      cloud.crash();
      return;
    case 'clock-jump':
      at.database.clockErrorUs = clockErrors(scheduler.nowUs)[steps % 4] ?? 0;
      return;
    case 'power-cut':
      at.database.crash();
      at.box.process?.onDeath(() => scheduler.after(lastsUs, () => at.box.start()));
      at.box.process?.kill();
      return;
  }
}

const hourUs = 3_600_000_000;

/** Ahead, behind, back in 1970, or right again. */
function clockErrors(nowUs: number): number[] {
  return [3 * hourUs, -5 * hourUs, hourUs - nowUs, 0];
}
