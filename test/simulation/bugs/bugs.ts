/**
 * Deliberate bugs, planted through the seams, never in the engine: near misses of its design that the simulation has to catch.
 * `npm run simulate -- --bugs` names the seed that catches each.
 */
import { type BoxWrap, soundBox } from '../sites/box.ts';
import { type RelayWrap, soundRelay } from '../sites/relay.ts';
import {
  acknowledgedBeforeDurable,
  answersUnproved,
  byAcknowledgement,
  byComparingValues,
  byWhatIsMade,
  duplicatesNotRecognised,
  entriesForgotten,
  feedCursorOutside,
  ownWritesOverlooked,
} from './box-bugs.ts';
import {
  columnCorrections,
  cursorOutside,
  midTransactionCorrections,
  noCorrections,
  nothingGivenBack,
  parkedNotBlocking,
  rowsNotLocked,
  seenUnchecked,
} from './relay-bugs.ts';

export interface Bug {
  what: string;
  box: BoxWrap;
  relay: RelayWrap;
}

const sound: Bug = { what: 'none', box: soundBox, relay: soundRelay };

const atBox = (what: string, wrap: Partial<BoxWrap>): Bug => ({
  ...sound,
  what,
  box: { ...soundBox, ...wrap },
});
const atRelay = (what: string, wrap: Partial<RelayWrap>): Bug => ({
  ...sound,
  what,
  relay: { ...soundRelay, ...wrap },
});

const nobody = () => false;

export const bugs: Record<string, Bug> = {
  'cursor-outside': atRelay("the campus's cursor moves in a commit of its own, after the rows", {
    store: cursorOutside,
  }),
  'ack-before-fsync': atBox('a transaction of the log is confirmed and pushed before the disk has it', {
    disk: acknowledgedBeforeDurable,
  }),
  'origin-filter-off-campus': atBox('capture at the campus logs what the follower wrote', {
    isApply: nobody,
  }),
  'origin-filter-off-cloud': atRelay("a campus's own changes come back to it in its feed", {
    isApply: nobody,
  }),
  'compare-values': atBox('the follower compares values instead of asking its log by stamp', {
    ownLog: byComparingValues,
  }),
  'pending-by-ack': atBox('the follower takes what is not acknowledged for what is not judged', {
    ownLog: byAcknowledgement,
  }),
  'fence-off': atBox('the follower does not wait for local commits that are not captured yet', {
    captured: () => async () => {},
  }),
  'clock-believed': atBox("the box's wall clock is believed, wherever it jumped", { stamps: false }),
  'column-corrections': atRelay('a correction holds the columns that were in conflict, not the row', {
    store: columnCorrections,
  }),
  'mid-transaction-corrections': atRelay('a correction says how the row stood when the conflict was met', {
    store: midTransactionCorrections,
  }),
  'no-corrections': atRelay('the campus is not told how a conflict was settled', { store: noCorrections }),
  'duplicates-unrecognised': atBox('what is captured again after a crash is not recognised by its LSN', {
    sink: duplicatesNotRecognised,
  }),
  'salvage-off': atRelay('what a restored cloud had lost and a campus gives back is not taken', {
    store: nothingGivenBack,
  }),
  'parked-not-blocking': atRelay('what touches the rows of a parked transaction does not wait behind it', {
    store: parkedNotBlocking,
  }),
  'rows-not-locked': atRelay('ingest reads the rows that it merges without a lock', { store: rowsNotLocked }),
  'seen-unchecked': atRelay(
    'a row is changed straight, without a look whether it stands as the campus saw it',
    {
      store: seenUnchecked,
    },
  ),
  'own-writes-overlooked': atBox(
    'what the cloud sends is written straight over what this campus wrote since',
    {
      ownLog: ownWritesOverlooked,
    },
  ),
  'touched-not-made': atBox('what the log has not made yet of what it touched counts as untouched', {
    ownLog: byWhatIsMade,
  }),
  'answers-unproved': atBox('what the log said before it held every local commit is not looked at again', {
    ownLog: answersUnproved,
  }),
  'feed-cursor-outside': atBox("the feed's cursor moves in a commit of its own, after the rows", {
    store: feedCursorOutside,
  }),
  'entries-forgotten': atBox('entries that wait are not read again after a restart', {
    store: entriesForgotten,
  }),
};

/** @throws for a name that is not known. */
export function bugNamed(name: string | undefined): Bug {
  if (name === undefined) return sound;
  const bug = bugs[name];
  if (!bug) throw new Error(`there is no bug ${name}: ${Object.keys(bugs).join(', ')}`);
  return bug;
}
