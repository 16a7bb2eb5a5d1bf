/** What the cloud knows of how far each feed is read and kept. */
export const feedRetentionSchema = `
-- The last entry that the campus has said it applied, and the last one that is no longer kept.
CREATE TABLE IF NOT EXISTS sync.feed_reader (
  campus text PRIMARY KEY,
  read_seq bigint NOT NULL DEFAULT 0,
  told_at timestamptz NOT NULL DEFAULT now(),
  trimmed_to bigint NOT NULL DEFAULT 0
);

-- Where each feed ended on each day. The commit time of an entry does not tell its age: what a campus wrote in a long
-- cut is old when it is applied.
CREATE TABLE IF NOT EXISTS sync.feed_day (
  campus text NOT NULL,
  day date NOT NULL,
  at timestamptz NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (campus, day)
);
`;
