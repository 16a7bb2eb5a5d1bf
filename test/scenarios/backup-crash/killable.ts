import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { SiteConfig } from '../../../packages/backup-core/src/engine/engine.fixture.ts';
import type { BackupStatus } from '../../../packages/backup-core/src/engine/status.ts';
import type { Asked } from './daemon.ts';

const daemon = fileURLToPath(new URL('daemon.ts', import.meta.url));

interface Said {
  readonly archiveCommand?: string;
  readonly status?: BackupStatus;
  readonly failed?: string;
}

export interface Killable {
  readonly archiveCommand: string;
  dump(): void;
  status(): Promise<BackupStatus>;
  /** `kill -9`, at once. */
  kill(): void;
  readonly ended: Promise<unknown>;
}

export async function startKillable(config: SiteConfig): Promise<Killable> {
  const child = fork(daemon, [JSON.stringify(config)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = once(child, 'exit');
  const { archiveCommand = '' } = await heard(child, ({ archiveCommand: command }) => command !== undefined);
  const ask = (asked: Asked) => child.send(asked, () => undefined);
  return {
    archiveCommand,
    ended,
    dump: () => ask('dump'),
    kill: () => child.kill('SIGKILL'),
    async status() {
      const answer = heard(child, ({ status }) => status !== undefined);
      ask('status');
      return (await answer).status as BackupStatus;
    },
  };
}

function heard(child: ChildProcess, isIt: (said: Said) => boolean): Promise<Said> {
  return new Promise((done, failed) => {
    const listen = (said: Said) => {
      if (!isIt(said)) return;
      child.off('message', listen).off('exit', gone);
      done(said);
    };
    const gone = () => failed(new Error('The engine has ended.'));
    child.on('message', listen).once('exit', gone);
  });
}
