import type { Catalog } from '@skooly-edge/sync-protocol';

/** What applying a batch has to know. */
export interface IngestContext {
  campus: string;
  epoch: string;
  catalog: Catalog;
  /** Whether the feed came to hold, in good time, every commit that had happened at the call. */
  waitForFeed(): Promise<boolean>;
}
