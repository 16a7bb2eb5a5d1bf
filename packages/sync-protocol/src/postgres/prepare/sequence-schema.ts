/**
 * The sequences behind columns of synced tables, and the one thing that the engine may do to them. Both functions run
 * with the rights of whoever prepared the database, since ALTER SEQUENCE takes the owner's; they reach no other sequence.
 */
import { publicationName } from '../session.ts';

export const sequenceFunctions = `
CREATE OR REPLACE FUNCTION sync.sequences()
RETURNS TABLE (id oid, name text, table_name text, column_name text, highest bigint, increment bigint,
               first bigint, last bigint, used bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH behind AS (
    SELECT d.objid AS sequence, d.refobjid AS tab, d.refobjsubid::smallint AS col FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    UNION
    SELECT d.refobjid, f.adrelid, f.adnum FROM pg_attrdef f
    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
    WHERE d.refclassid = 'pg_class'::regclass
  )
  SELECT DISTINCT ON (c.oid) c.oid, n.nspname || '.' || c.relname, tn.nspname || '.' || t.relname, a.attname::text,
    least(CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
                          ELSE 9223372036854775807 END,
          CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
                          ELSE 9223372036854775807 END),
    s.seqincrement, s.seqmin, s.seqmax, pg_sequence_last_value(c.oid)
  FROM behind b
  JOIN pg_class c ON c.oid = b.sequence AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_sequence s ON s.seqrelid = c.oid
  JOIN pg_class t ON t.oid = b.tab JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = b.tab AND a.attnum = b.col
  JOIN pg_publication_rel r ON r.prrelid = b.tab
  JOIN pg_publication p ON p.oid = r.prpubid AND p.pubname = '${publicationName}'
  ORDER BY c.oid, b.tab, b.col
$$;

-- From now on the sequence gives the numbers of this block only. Taken again, it goes on where it is.
CREATE OR REPLACE FUNCTION sync.take_sequence_block(sequence text, block_first bigint, block_last bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known record;
  at bigint;
  called boolean;
  begins bigint := block_first;
BEGIN
  SELECT s.*, s.id::regclass AS quoted INTO known FROM sync.sequences() s WHERE s.name = sequence;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'sequence % belongs to no synced table', sequence USING ERRCODE = 'undefined_object';
  END IF;
  IF block_first < 1 OR block_last < block_first OR block_last > known.highest OR known.increment < 1 THEN
    RAISE EXCEPTION 'sequence % cannot give the numbers % to %', sequence, block_first, block_last
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Takes the lock: from here to the commit nobody draws a number.
  EXECUTE format('ALTER SEQUENCE %s NO CYCLE', known.quoted);
  EXECUTE format('SELECT last_value, is_called FROM %s', known.quoted) INTO at, called;
  IF at BETWEEN block_first AND block_last THEN
    begins := at + CASE WHEN called THEN known.increment ELSE 0 END;
  END IF;
  IF begins > block_last THEN
    RAISE EXCEPTION 'sequence % has used up the numbers % to %', sequence, block_first, block_last
      USING ERRCODE = 'sequence_generator_limit_exceeded';
  END IF;
  EXECUTE format('ALTER SEQUENCE %s MINVALUE %s MAXVALUE %s START WITH %s RESTART WITH %s',
                 known.quoted, block_first, block_last, block_first, begins);
  RETURN begins;
END $$;

REVOKE ALL ON FUNCTION sync.sequences() FROM PUBLIC;
REVOKE ALL ON FUNCTION sync.take_sequence_block(text, bigint, bigint) FROM PUBLIC;
`;

/** Which numbers of which sequence are whose; blocks of one sequence never overlap. */
export const cloudSequenceSchema = `
CREATE TABLE IF NOT EXISTS sync.sequence_block (
  sequence text NOT NULL,
  first bigint NOT NULL,
  last bigint NOT NULL CHECK (last >= first),
  -- cloud, or the campus's id.
  site text NOT NULL,
  -- Of the campus's log: a box that was replaced begins a block of its own.
  log_epoch text NOT NULL,
  -- Of the cloud: after a restore nobody knows what was given out since.
  cloud_epoch text NOT NULL,
  allotted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sequence, first)
);
`;

/** The block that each sequence of this campus is in. */
export const campusSequenceSchema = `
CREATE TABLE IF NOT EXISTS sync.sequence_block (
  sequence text PRIMARY KEY,
  first bigint NOT NULL,
  last bigint NOT NULL,
  log_epoch text NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT now()
);
`;

/** What the engine's role is allowed of it. */
export const sequenceGrants = ['sync.sequences()', 'sync.take_sequence_block(text, bigint, bigint)'];
