import type { ObjectKind } from './object.ts';

/**
 * Names of objects: `<site>/<kind>/<what>-<8 random hex>.<ext>`. The random part makes a name unique for ever: a second
 * attempt at the same segment is another object, and nothing in a bucket is ever overwritten.
 */
export const sitePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;

const extensions: Record<ObjectKind, string> = {
  dump: 'dump.zst.pgp',
  base: 'tar.zst.pgp',
  wal: 'zst.pgp',
  history: 'zst.pgp',
  'sync-log': 'zst.pgp',
  proof: 'json.zst.pgp',
};

export interface NameParts {
  site: string;
  kind: ObjectKind;
  /** A segment or history file by its name, anything else by the moment it was begun. */
  what: Date | { segment: string } | { history: string };
  /** Four random bytes. */
  random: Uint8Array;
}

export function objectName({ site, kind, what, random }: NameParts): string {
  if (!sitePattern.test(site)) throw new RangeError(`${site} is not the name of a site`);
  const suffix = Buffer.from(random.subarray(0, 4)).toString('hex');
  return `${site}/${kind}/${label(what)}-${suffix}.${extensions[kind]}`;
}

function label(what: NameParts['what']): string {
  if (what instanceof Date) return utcStamp(what);
  if ('history' in what) return what.history;
  return `${what.segment.slice(0, 8)}/${what.segment}`;
}

/** `20261123T020000Z`: sorts by time, and needs no quoting in a shell. */
export function utcStamp(at: Date): string {
  return at.toISOString().replace(/[-:]|\.\d{3}/g, '');
}
