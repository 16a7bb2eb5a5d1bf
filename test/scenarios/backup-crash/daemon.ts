/** The engine of a small site in a process of its own, to be killed: started with its config as JSON, asked over IPC. */
import { engineOf, type SiteConfig } from '../../../packages/backup-core/src/engine/engine.fixture.ts';

export type Asked = 'dump' | 'status';

const engine = await engineOf(JSON.parse(process.argv[2] ?? '') as SiteConfig);
process.on('message', (asked: Asked) => {
  if (asked === 'dump') engine.dumpNow().catch((error) => process.send?.({ failed: String(error) }));
  else process.send?.({ status: engine.status() });
});
process.on('disconnect', () => process.exit());
process.send?.({ archiveCommand: engine.archiveCommand });
await engine.run(new AbortController().signal);
