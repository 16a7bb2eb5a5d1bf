/** Schema versions: what each site records of the migrations that went through the engine, and what waits for one. */

/** In the cloud: what is published. On a campus: what is applied. The first row is where the site stood when it was prepared. */
export const migrationSchema = `
CREATE TABLE IF NOT EXISTS sync.migration (
  number integer PRIMARY KEY CHECK (number >= 0),
  name text NOT NULL,
  sql text NOT NULL,
  sync_map text,
  signature text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);
`;

/** What the feed brought of columns and tables that this campus does not have yet. */
export const unknownSchema = `
CREATE TABLE IF NOT EXISTS sync.unknown_value (
  table_name text NOT NULL,
  row_key jsonb NOT NULL,
  column_name text NOT NULL,
  value text,
  seq bigint NOT NULL,
  stamp_epoch text NOT NULL,
  stamp_seq bigint NOT NULL,
  committed_at bigint NOT NULL,
  PRIMARY KEY (table_name, row_key, column_name)
);
CREATE TABLE IF NOT EXISTS sync.unknown_change (
  seq bigint NOT NULL,
  table_name text NOT NULL,
  -- The entry as far as it speaks of this table.
  body text NOT NULL,
  PRIMARY KEY (seq, table_name)
);
`;
