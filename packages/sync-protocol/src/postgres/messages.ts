/**
 * Logical messages that the engine writes into its own transactions: how capture learns, in WAL order, what no row says.
 * Defined in PROTOCOL.md, "Messages in the WAL".
 */
import type { Correction } from '../transaction/transaction.ts';

/** A campus was enrolled: every later commit is in its feed, none before. Content: `{campus}`. */
export const enrolledMessage = 'skooly_edge.enrolled';

/**
 * The first thing in a commit that applies what a campus has pushed: whose changes follow. A commit that is large is read in
 * parts, and what it applied is said at its end. Content: AuthorMessage.
 */
export const authorMessage = 'skooly_edge.author';

/** What a commit of the cloud applied of a campus's log, and what the campus has to be told. Content: AppliedMessage. */
export const appliedMessage = 'skooly_edge.applied';

/** A campus has to be told rows outside of an apply commit. Content: CorrectedMessage. */
export const correctedMessage = 'skooly_edge.corrected';

/** Changes nothing; whoever commits it waits until capture has passed it. No content. */
export const markMessage = 'skooly_edge.mark';

export interface AuthorMessage {
  campus: string;
  /** Every row of a table with a scope column that the commit writes is the campus's own, as ingest has made sure. */
  own?: boolean;
}

export interface AppliedMessage {
  campus: string;
  epoch: string;
  /** The last transaction of the campus that this commit applied: the stamp of every later feed entry. */
  seq: number;
  corrections: Correction[];
}

export interface CorrectedMessage {
  campus: string;
  /** Rows as they stand at the end of the commit that carries the message. */
  corrections: Correction[];
}
