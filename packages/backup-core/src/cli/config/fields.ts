import { type Static, type TProperties, Type } from 'typebox';

/** What the file of `skooly-backup` may say. `fix` ends the sentence about a field that is wrong. */
const file = (fix: string) => Type.String({ minLength: 1, pattern: '^/', fix });
const closed = <T extends TProperties>(properties: T) =>
  Type.Object(properties, { additionalProperties: false });

export const RegionFields = closed({
  name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$', fix: 'use a short lower-case name such as paris' }),
  endpoint: Type.String({
    pattern: '^https?://[^/]+/?$',
    fix: 'use a URL without a path, such as https://s3.example',
  }),
  bucket: Type.String({ minLength: 3, fix: 'name the bucket' }),
  accessKeyId: Type.String({ minLength: 1, fix: 'give the id of the access key' }),
  secretKeyFile: file('name the file that holds the secret key, with its whole path'),
  signingRegion: Type.Optional(Type.String({ minLength: 1 })),
  pathStyle: Type.Optional(Type.Boolean()),
  lockDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 3660, fix: 'give days from 1 to 3660' })),
  lockMode: Type.Optional(
    Type.Union([Type.Literal('GOVERNANCE'), Type.Literal('COMPLIANCE')], {
      fix: 'use GOVERNANCE or COMPLIANCE',
    }),
  ),
});

export const Fields = closed({
  site: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$', fix: 'use the id of the campus, or cloud' }),
  regions: Type.Array(RegionFields, { minItems: 1, maxItems: 8, fix: 'describe at least one region' }),
  /** Whose manifest is believed: from the emergency kit on a bare machine. */
  trustedKeys: Type.Optional(
    Type.Array(
      closed({
        publicKey: Type.String({
          pattern: '^[A-Za-z0-9_-]{43}$',
          fix: 'copy the 43 characters from the kit',
        }),
        lastEntry: Type.Optional(Type.Integer({ minimum: 1 })),
      }),
      { minItems: 1 },
    ),
  ),
  stateDir: Type.Optional(file('name a folder with its whole path')),
  manifestKeyFile: Type.Optional(file('name the file that `skooly-backup init` made')),
  databaseUrlFile: Type.Optional(file('name a file that holds a postgres:// URL')),
  recipients: Type.Optional(
    Type.Array(
      closed({
        file: file('name the file of an OpenPGP public key'),
        enrolledAt: Type.String({
          pattern: '^\\d{4}-\\d{2}-\\d{2}T.*Z$',
          fix: 'copy it from what `keys check` prints',
        }),
      }),
      { minItems: 2, fix: "give two: the administrator's key and the recovery key" },
    ),
  ),
  /** Single values that drills compare, such as fee totals: SQL by name. */
  totals: Type.Optional(
    Type.Record(Type.String({ pattern: '^[a-z][a-z0-9_]*$' }), Type.String({ minLength: 1 })),
  ),
  retention: Type.Optional(
    closed({
      days: Type.Optional(Type.Integer({ minimum: 7, maximum: 366, fix: 'give days from 7 to 366' })),
      archiveYears: Type.Optional(Type.Integer({ minimum: 1, maximum: 30, fix: 'give years from 1 to 30' })),
      syncLogDays: Type.Optional(
        Type.Integer({ minimum: 30, maximum: 3660, fix: 'give days from 30 to 3660' }),
      ),
    }),
  ),
  /** Who may sign proofs of drills. */
  drillKeys: Type.Optional(
    Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }), {
      fix: 'copy the 43 characters that `keys make` printed on the drill machine',
    }),
  ),
  /** On the drill machine alone; the days between drills also on a site, for its alarm. */
  drills: Type.Optional(
    closed({
      scratchDir: Type.Optional(file('name a folder that the user postgres can enter')),
      keyFile: Type.Optional(file('name the file that `keys make` made')),
      /** Run by /bin/sh with DATABASE_URL set; ends with 0 when the application works. */
      smokeCommand: Type.Optional(Type.String({ minLength: 1 })),
      baseEveryDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 90 })),
      dumpEveryDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 180 })),
    }),
  ),
  /** What the daemon needs beyond the above. */
  archive: Type.Optional(
    closed({
      /** Read by archive_command; the server's user must be able to read it. */
      accessFile: file('name the file that archive_command reads, with its whole path'),
      /** The user that the server runs as, when it is another one. */
      serverUser: Type.Optional(
        Type.String({ pattern: '^[a-z_][a-z0-9_-]*$', fix: 'give the name of a user' }),
      ),
    }),
  ),
  /** How fast the daemon sends; to each region by itself. */
  upload: Type.Optional(
    closed({
      bytesPerSecond: Type.Optional(Type.Integer({ minimum: 1024, fix: 'give at least 1024' })),
      /** Other rates at hours of Douala, `from` 7 `to` 18; 0: nothing is sent. The first that matches counts. */
      hours: Type.Optional(
        Type.Array(
          closed({
            from: Type.Integer({ minimum: 0, maximum: 24 }),
            to: Type.Integer({ minimum: 0, maximum: 24 }),
            bytesPerSecond: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
          }),
        ),
      ),
    }),
  ),
  spoolBytes: Type.Optional(Type.Integer({ minimum: 2 ** 30, fix: 'give at least 1073741824 bytes' })),
});

export type Values = Static<typeof Fields>;
export type RegionValues = Static<typeof RegionFields>;
