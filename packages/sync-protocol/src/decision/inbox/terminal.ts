/** The person at this process's terminal: what they read, what they are asked, and their name. */
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import type { InboxTerminal } from './inbox-commands.ts';

export function systemTerminal(): InboxTerminal {
  const { stdin, stdout, stderr } = process;
  return {
    write: (text) => stdout.write(text),
    complain: (text) => stderr.write(text),
    ask: stdin.isTTY ? askPerson : null,
  };
}

/** A user without an entry in the system's list has no name. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'operator';
  }
}

async function askPerson(question: string): Promise<string> {
  const line = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await line.question(question);
  } finally {
    line.close();
  }
}
