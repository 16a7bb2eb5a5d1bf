import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LogBackups, startLogBackups } from '../../../../test/support/log-backups.ts';
import type { SyncLogSource } from '../source/sync-log.ts';

let backups: LogBackups;
let head = 3;
const line = (epoch: string, seq: number) => JSON.stringify({ epoch, seq, text: 'é\u2028' });
const logOf = (epoch: string, first = 1): SyncLogSource => ({
  epoch,
  head: () => head,
  first: () => first,
  *read(from, to) {
    for (let seq = from; seq <= to; seq++) yield line(epoch, seq);
  },
});

beforeAll(async () => {
  backups = await startLogBackups('mvan');
  await backups.take(logOf('first-life'));
  await backups.take(logOf('second-life'));
  head = 8;
  await backups.take(logOf('second-life'));
});
afterAll(() => backups[Symbol.asyncDispose]());

test('the newest log comes back as one file, and what it is for and what else there is are said in French and English', async () => {
  const { out, errors, code } = await backups.command('sync-log', '--to', join(backups.dir, 'out/'));
  expect([code, errors]).toEqual([
    0,
    expect.stringMatching(/^Sync log second-life: 1–8 \(.*\)\nThere is also first-life: 1–3/),
  ]);
  const file = join(backups.dir, 'out', 'sync-log-mvan.ndjson');
  expect(out).toContain(`skooly-edge adopt-log ${file}`);
  expect(readFileSync(file, 'utf8').split('\n').slice(1, -1)).toEqual(
    Array.from({ length: 8 }, (_, i) => line('second-life', i + 1)),
  );
  expect((await backups.command('sync-log', '--to', file)).code).toBe(43);
  backups.language = 'fr';
  const french = await backups.command('sync-log', '--to', `${file}.fr`, '--epoch', 'first-life');
  const verified = await backups.command('verify', '--deep', '--open');
  const refused = await backups.command('sync-log', '--to', file);
  backups.language = 'en';
  expect([verified.code, verified.out]).toEqual([
    0,
    expect.stringMatching(/^registre: entrée 3 du .*: vérifié\ntout est intact/),
  ]);
  expect(refused.errors).toMatch(
    /Le fichier existe déjà, ou ne peut pas être écrit\. .*\n {2}\(SYNC_LOG_FILE : /,
  );
  expect(french.errors).toContain('Il y a aussi second-life');
  expect(french.out).toContain('Sur la nouvelle machine');
  expect((await backups.command('sync-log', '--to', `${file}.x`, '--epoch', 'third')).code).toBe(40);
});

test('a log that the box had trimmed before it was backed up is refused with the gap, and comes back from behind it', async () => {
  head = 20;
  await backups.take(logOf('second-life', 15));
  const file = join(backups.dir, 'gap.ndjson');
  const { code, errors } = await backups.command('sync-log', '--to', file);
  expect([code, errors]).toEqual([41, expect.stringContaining('lacks 9–14; it is whole from 15 on')]);
  const { out } = await backups.command('sync-log', '--to', file, '--from', '15', '--json');
  expect(JSON.parse(out)).toMatchObject({ file, epoch: 'second-life', fromSeq: 15, toSeq: 20 });
});

test('by the words of FORMAT.md, gpg and zstd alone make the same file', async () => {
  await using other = await startLogBackups('mvan');
  head = 4;
  await other.take(logOf('by-hand'));
  head = 9;
  await other.take(logOf('by-hand'));
  const file = join(other.dir, 'ours.ndjson');
  expect((await other.command('sync-log', '--to', file)).code).toBe(0);
  const dir = mkdtempSync(join(tmpdir(), 'skooly-by-hand-'));
  const home = join(dir, 'gnupg');
  try {
    mkdirSync(home, { mode: 0o700 });
    await other.copyBucket(dir);
    writeFileSync(join(dir, 'manifest.pub'), other.manifestKey);
    const shell = (script: string) =>
      execFileSync('bash', ['-o', 'pipefail', '-e', '-c', script], {
        cwd: dir,
        env: { ...process.env, GNUPGHOME: home },
        stdio: 'pipe',
      }).toString();
    const [log, manifest] = shellBlocks();
    shell(`gpg --batch --quiet --import ${other.keyFile}`);
    expect(shell(`${manifest}\n${log}`)).toContain('Signature Verified Successfully');
    expect(readFileSync(join(dir, 'old-log.ndjson'), 'utf8')).toBe(readFileSync(file, 'utf8'));
  } finally {
    execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
    rmSync(dir, { recursive: true });
  }
});

/** Of "A sync log as a file", and of the first steps by hand as far as the list of objects. */
function shellBlocks(): [string, string] {
  const format = readFileSync(new URL('../../FORMAT.md', import.meta.url), 'utf8');
  const blocks = [
    ...format.slice(format.indexOf('## A sync log as a file')).matchAll(/```sh\n([\s\S]*?)```/g),
  ];
  const [log = '', manifest = ''] = blocks.map(([, block]) => block as string);
  return [log, manifest.split('# 4.')[0] as string];
}
