/** `skooly-edge conflicts`, `conflict`, `decide`, `undo`: thin clients of the admin API. */

import {
  addInboxCommands,
  type InboxTerminal,
  inboxExitCodes,
  systemTerminal,
  userName,
} from '@skooly-edge/sync-protocol';
import type { Command } from 'commander';
import { InboxUnreachableError, remoteInbox } from './remote-inbox.ts';

export interface InboxCommandParts {
  adminUrl: string;
  /** Locale of the person, such as `fr_CM.UTF-8`. */
  locale: string | undefined;
  terminal?: InboxTerminal;
}

export function addInboxCommand(program: Command, { adminUrl, locale, terminal }: InboxCommandParts): void {
  const screen = terminal ?? systemTerminal();
  addInboxCommands(program, {
    program: 'skooly-edge',
    terminal: screen,
    locale,
    user: userName(),
    extend: (command) => command.option('--admin <url>', 'address of the admin API', adminUrl),
    async withInbox({ admin }, work) {
      try {
        return await work(remoteInbox(String(admin)));
      } catch (error) {
        if (!(error instanceof InboxUnreachableError)) throw error;
        screen.complain(`skooly-edge: ${error.message} ${error.advice}\n`);
        return inboxExitCodes.unreachable;
      }
    },
  });
}
