/** What a campus keeps of its resyncs: the one under way, so that it goes on after a crash, those that wait, and what the last ones found. */
export const resyncSchema = `
CREATE TABLE IF NOT EXISTS sync.resync (
  id uuid PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'cancelled', 'failed')),
  request jsonb NOT NULL,
  report jsonb NOT NULL,
  tables_done text[] NOT NULL DEFAULT '{}',
  started_at timestamptz NOT NULL,
  finished_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS resync_one_running ON sync.resync (state) WHERE state = 'running';

-- Rows that a resync found different, and how it repairs them.
CREATE TABLE IF NOT EXISTS sync.resync_row (
  resync uuid NOT NULL REFERENCES sync.resync ON DELETE CASCADE,
  table_name text NOT NULL,
  row_key jsonb NOT NULL,
  kind text NOT NULL,
  repair text NOT NULL,
  bytes bigint NOT NULL,
  repaired boolean NOT NULL DEFAULT false,
  PRIMARY KEY (resync, table_name, row_key)
);
`;
