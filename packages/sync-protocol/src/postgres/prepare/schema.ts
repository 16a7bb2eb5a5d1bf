/**
 * The engine's own tables, in the schema `sync` of each site. Applied by `prepare`, which may run any number of times.
 */
import { enrolSchema } from './enrol-schema.ts';
import { feedRetentionSchema } from './feed-retention-schema.ts';
import { migrationSchema, unknownSchema } from './migration-schema.ts';
import { resyncSchema } from './resync-schema.ts';
import { campusSequenceSchema, cloudSequenceSchema, sequenceFunctions } from './sequence-schema.ts';

/** What both sites have. */
const commonSchema = `
CREATE SCHEMA IF NOT EXISTS sync;

CREATE TABLE IF NOT EXISTS sync.site (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  site text NOT NULL,
  epoch text NOT NULL,
  -- Which server and timeline the epoch runs on; a restore changes one of them.
  system_identifier text,
  timeline text,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS sync.conflict (
  id uuid PRIMARY KEY,
  campus text NOT NULL,
  kind text NOT NULL,
  table_name text NOT NULL,
  row_key jsonb NOT NULL,
  before jsonb,
  campus_value jsonb,
  cloud_value jsonb,
  result jsonb,
  rule jsonb NOT NULL,
  detail text,
  -- The changes of the parked transaction that the entry speaks of.
  parked jsonb,
  status text NOT NULL CHECK (status IN ('open', 'settled', 'decided')),
  campus_at timestamptz NOT NULL,
  cloud_at timestamptz,
  campus_by text,
  cloud_by text,
  campus_epoch text NOT NULL,
  campus_seq bigint NOT NULL,
  created_at timestamptz NOT NULL,
  decided_at timestamptz,
  decided_by text,
  decision jsonb
);
CREATE INDEX IF NOT EXISTS conflict_open ON sync.conflict (campus) WHERE status = 'open';
CREATE INDEX IF NOT EXISTS conflict_let_go ON sync.conflict (campus)
  WHERE status = 'decided' AND decision ->> 'action' IN ('undrop', 'drop');
`;

const cloudSchema = `
-- The last transaction of each campus that is applied here; moves in the same transaction as the data.
CREATE TABLE IF NOT EXISTS sync.cursor (
  campus text NOT NULL,
  epoch text NOT NULL,
  seq bigint NOT NULL,
  moved_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (campus, epoch)
);

-- Transactions that could not be applied, and the rows that wait with them.
CREATE TABLE IF NOT EXISTS sync.parked (
  campus text NOT NULL,
  epoch text NOT NULL,
  seq bigint NOT NULL,
  kind text NOT NULL,
  detail text NOT NULL,
  body text NOT NULL,
  -- Its entry in the inbox, and the tables whose changes make another try worth while.
  conflict_id uuid NOT NULL,
  waits_for text[] NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (campus, epoch, seq)
);
CREATE TABLE IF NOT EXISTS sync.parked_row (
  campus text NOT NULL,
  epoch text NOT NULL,
  seq bigint NOT NULL,
  row_id text NOT NULL,
  PRIMARY KEY (campus, row_id, epoch, seq)
);

-- Parts of transactions whose last part has not come.
CREATE TABLE IF NOT EXISTS sync.part (
  campus text NOT NULL,
  epoch text NOT NULL,
  seq bigint NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (campus, epoch, seq)
);
-- Parked transactions that a person has let go.
CREATE TABLE IF NOT EXISTS sync.dropped (
  LIKE sync.parked INCLUDING INDEXES,
  dropped_at timestamptz NOT NULL DEFAULT now()
);
-- What each campus has to read, written by the one relay that holds the advisory lock.
CREATE TABLE IF NOT EXISTS sync.feed (
  campus text NOT NULL,
  epoch text NOT NULL,
  seq bigint NOT NULL,
  stamp_epoch text NOT NULL,
  stamp_seq bigint NOT NULL,
  committed_at bigint NOT NULL,
  -- Where the commit ends in the WAL: the commit's name within the epoch, the same in every campus's feed.
  lsn bigint NOT NULL,
  body text NOT NULL,
  -- Proves that the entry is this cloud's when a campus gives it back.
  seal text NOT NULL,
  PRIMARY KEY (campus, seq)
);
ALTER TABLE sync.feed REPLICA IDENTITY FULL;
-- In which entries of a campus's feed a row was changed, by the hash of its table and key, and up to which entry that is known.
CREATE TABLE IF NOT EXISTS sync.feed_row (
  campus text NOT NULL,
  row_hash bigint NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (campus, row_hash, seq)
);
CREATE TABLE IF NOT EXISTS sync.feed_row_end (
  campus text PRIMARY KEY,
  seq bigint NOT NULL
);

-- How far the feed is written: the WAL position, and per campus the last seq and stamp.
CREATE TABLE IF NOT EXISTS sync.feed_position (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  lsn bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS sync.follower (
  campus text PRIMARY KEY,
  feed_seq bigint NOT NULL,
  stamp_epoch text NOT NULL,
  stamp_seq bigint NOT NULL
);
-- A lost epoch: where each campus's feed was cut off, and how far the campus has given back what was lost.
CREATE TABLE IF NOT EXISTS sync.salvage (
  campus text NOT NULL,
  epoch text NOT NULL,
  fork_seq bigint NOT NULL,
  given_seq bigint NOT NULL,
  PRIMARY KEY (campus, epoch)
);
-- What was given back of which lost commit, by whomever.
CREATE TABLE IF NOT EXISTS sync.salvaged (
  epoch text NOT NULL,
  lsn bigint NOT NULL,
  change_id text NOT NULL,
  PRIMARY KEY (epoch, lsn, change_id)
);
INSERT INTO sync.feed_position (lsn) VALUES (0) ON CONFLICT DO NOTHING;
`;

const campusSchema = `
-- The last entry of the cloud's feed that is applied here; moves in the same transaction as the data.
CREATE TABLE IF NOT EXISTS sync.cursor (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch text NOT NULL,
  seq bigint NOT NULL,
  -- Earlier epochs of the cloud that this campus has followed, the latest first; entries up to fork_seq are theirs.
  followed text[] NOT NULL DEFAULT '{}',
  fork_seq bigint NOT NULL DEFAULT 0,
  stamp_epoch text NOT NULL DEFAULT '',
  stamp_seq bigint NOT NULL DEFAULT 0,
  shape_handle text,
  shape_offset text,
  -- The feed position at which the first copy becomes consistent.
  seeded_until bigint NOT NULL,
  moved_at timestamptz NOT NULL DEFAULT now()
);

-- Entries of the feed that wait until this campus's own pending rows are judged.
CREATE TABLE IF NOT EXISTS sync.parked_entry (
  seq bigint PRIMARY KEY,
  body text NOT NULL,
  kind text NOT NULL,
  detail text NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT now()
);

-- How far the first copy of the cloud's rows has come.
CREATE TABLE IF NOT EXISTS sync.seed (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch text NOT NULL,
  feed_seq bigint NOT NULL,
  table_name text,
  after_key jsonb,
  rows_done bigint NOT NULL DEFAULT 0,
  tables_done text[] NOT NULL DEFAULT '{}'
);
`;

export function siteSchema(site: string): string {
  return (
    commonSchema +
    migrationSchema +
    sequenceFunctions +
    (site === 'cloud' ? cloudSequenceSchema : campusSequenceSchema) +
    (site === 'cloud'
      ? cloudSchema + enrolSchema + feedRetentionSchema
      : campusSchema + unknownSchema + resyncSchema)
  );
}
