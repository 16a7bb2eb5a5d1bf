/** Whom the cloud trusts, and who decided so. */
export const enrolSchema = `
CREATE TABLE IF NOT EXISTS sync.campus (
  campus text PRIMARY KEY,
  enrolled_at timestamptz NOT NULL DEFAULT now(),
  -- Since when no box of this campus is trusted; null while one is.
  revoked_at timestamptz
);

-- The keys of boxes, by fingerprint. At most one of a campus is trusted; a key that is not trusted any more never is again.
CREATE TABLE IF NOT EXISTS sync.box_key (
  fingerprint text PRIMARY KEY,
  campus text NOT NULL,
  public_key text NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'trusted', 'replaced', 'revoked')),
  asked_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS box_key_trusted ON sync.box_key (campus) WHERE state = 'trusted';
CREATE UNIQUE INDEX IF NOT EXISTS box_key_pending ON sync.box_key (campus) WHERE state = 'pending';

-- The one pairing code of a campus that may be used. Only its hash is kept.
CREATE TABLE IF NOT EXISTS sync.pairing (
  campus text PRIMARY KEY,
  code_hash text NOT NULL,
  salt text NOT NULL,
  made_by text NOT NULL,
  -- Whoever has the code is trusted without a person comparing fingerprints.
  confirm_automatically boolean NOT NULL,
  expires_at timestamptz NOT NULL,
  attempts_left integer NOT NULL
);

-- What challenges are sealed with, by every relay of this database, and those that were used before they expired.
CREATE TABLE IF NOT EXISTS sync.challenge_secret (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  secret text NOT NULL
);
INSERT INTO sync.challenge_secret (secret) VALUES (gen_random_uuid()::text || gen_random_uuid()::text)
  ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS sync.used_challenge (
  challenge text PRIMARY KEY,
  expires_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS sync.session (
  token_sha256 text PRIMARY KEY,
  fingerprint text NOT NULL,
  expires_at timestamptz NOT NULL
);

-- Who paired, confirmed and revoked; only ever added to.
CREATE TABLE IF NOT EXISTS sync.trust_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  campus text NOT NULL,
  event text NOT NULL,
  by_whom text NOT NULL,
  fingerprint text,
  detail text
);
`;
