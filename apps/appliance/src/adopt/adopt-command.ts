/** `skooly-edge adopt-log`: what a technician types on the new box. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { fetch } from 'undici';
import type { Adopted } from './adopt.ts';

export function addAdoptCommand(program: Command, adminUrl: string): void {
  program
    .command('adopt-log <path>')
    .description(
      'Push what the log of a box that died still holds: its sync-log.sqlite, the folder it lies in, or what skooly-backup sync-log wrote.',
    )
    .option('--json', 'as one line of JSON')
    .option('--admin <url>', 'address of the admin API', adminUrl)
    .action(async (path: string, options: { json?: boolean; admin: string }) => {
      const answer = await adopt(options.admin, resolve(path));
      process.stdout.write(
        options.json
          ? `${JSON.stringify(answer)}\n`
          : `${answer.pushed} transactions that the cloud had not heard of were pushed; the old log ends at ${answer.lastSeq}.\n`,
      );
    });
}

async function adopt(adminUrl: string, path: string): Promise<Adopted> {
  const response = await fetch(new URL('/adopt', adminUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ path }),
  });
  const answer = (await response.json()) as Adopted & { message?: string; advice?: string };
  if (response.ok) return answer;
  throw Object.assign(new Error(answer.message ?? `the box answered ${response.status}`), {
    advice: answer.advice,
  });
}
