export * from './block/block.ts';
export type { PackedBlock } from './block/block-code.ts';
export * from './clock/clock.ts';
export * from './codec/codec.ts';
export { type CarriedOut, type EntryReport, maxDecisionsAtOnce } from './decision/carry-out.ts';
export * from './decision/decide.ts';
export * from './decision/decision.ts';
export * from './decision/entry.ts';
export * from './decision/errors.ts';
export * from './decision/inbox/add-inbox-commands.ts';
export * from './decision/inbox/inbox.ts';
export {
  type InboxTerminal,
  inboxExitCodes,
  UsageError,
  withoutErrors,
} from './decision/inbox/inbox-commands.ts';
export * from './decision/inbox/postgres-inbox.ts';
export { systemTerminal, userName } from './decision/inbox/terminal.ts';
export { languageOf } from './decision/inbox/words.ts';
export { undoDays } from './decision/plan-undo.ts';
export * from './digest/campus-rows.ts';
export * from './digest/digest.ts';
export * from './digest/kept-row.ts';
export * from './digest/resync-messages.ts';
export * from './digest/table-digest.ts';
export * from './digest/version-list.ts';
export * from './enrol/proof.ts';
export * from './errors.ts';
export * from './feed/feed-block.ts';
export { type FeedGroup, type FeedHead, groupOfEntries } from './feed/feed-group.ts';
export * from './feed/feed-row.ts';
export * from './merge/follow.ts';
export * from './merge/merge.ts';
export * from './merge/settle-column.ts';
export * from './merge/suffixed.ts';
export { readSchemaNumber } from './migration/application-record.ts';
export * from './migration/apply-migration.ts';
export * from './migration/errors.ts';
export { mapInForce } from './migration/map-in-force.ts';
export {
  maxMigrationBytes,
  readMigration,
  type SignedMigration,
  signMigration,
  verifyMigration,
} from './migration/signed-migration.ts';
export * from './postgres/apply/catalog.ts';
export * from './postgres/apply/live-catalog.ts';
export * from './postgres/apply/origin.ts';
export * from './postgres/apply/references.ts';
export * from './postgres/apply/row-images.ts';
export * from './postgres/apply/row-store.ts';
export * from './postgres/apply/rowset.ts';
export * from './postgres/capture/assembler.ts';
export * from './postgres/capture/capture.ts';
export * from './postgres/capture/pgoutput.ts';
export * from './postgres/capture/slot.ts';
export * from './postgres/messages.ts';
export * from './postgres/prepare/prepare.ts';
export { takeInTables } from './postgres/prepare/synced-tables.ts';
export * from './postgres/sequences/sequences.ts';
export * from './postgres/server.ts';
export * from './postgres/session.ts';
export { type StraightPlan, StraightWay } from './straight/straight-way.ts';
export * from './sync-map/sync-map.ts';
export * from './transaction/transaction.ts';
