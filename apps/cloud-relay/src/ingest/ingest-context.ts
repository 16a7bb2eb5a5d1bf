import type { CloudCommit } from './cloud-store.ts';

/** What applying a batch has to know: whose it is, and the commit that it becomes. */
export interface IngestContext {
  campus: string;
  epoch: string;
  commit: CloudCommit;
  now: Date;
  /** The cloud itself made these changes once: what a campus may write is no question. */
  trusted?: boolean;
}
