/**
 * Pages of a checkpoint: the live objects sealed on one day, as canonical JSON under zstd, named by their hash. A checkpoint
 * names pages instead of holding the list, so that a day without changes costs nothing to say again.
 */
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { type Static, Type } from 'typebox';
import { Check } from 'typebox/value';
import { canonicalJson } from '../format/canonical.ts';
import { SealedObjectSchema } from '../format/object.ts';
import type { LiveObject, PageReference } from './entry.ts';
import { ManifestError } from './errors.ts';
import { isOf, sha256Of } from './signed-entry.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** More than a day holds, at a segment every few seconds. */
const maxPageBytes = 64 * 2 ** 20;

const PageSchema = Type.Object({
  v: Type.Literal(1),
  site: Type.String(),
  objects: Type.Array(Type.Object({ entry: Type.Integer({ minimum: 1 }), object: SealedObjectSchema })),
});
type Page = Static<typeof PageSchema>;

export interface PageFile {
  reference: PageReference;
  bytes: Buffer;
}

/** The day that an object's page is of. */
export function pageDay({ object }: LiveObject): string {
  return object.sealedAt.slice(0, 10);
}

export function dayOfPage({ name }: PageReference): string {
  return name.slice(name.lastIndexOf('/') + 1).slice(0, 10);
}

export async function writePage(
  site: string,
  day: string,
  objects: readonly LiveObject[],
): Promise<PageFile> {
  const sorted = objects.toSorted((a, b) => a.entry - b.entry || (a.object.name < b.object.name ? -1 : 1));
  const bytes = await compress(Buffer.from(canonicalJson({ v: 1, site, objects: sorted })));
  const sha256 = sha256Of(bytes);
  const name = `${site}/page/${day}-${sha256.slice(0, 8)}.json.zst`;
  return { reference: { name, sha256, objects: objects.length }, bytes };
}

export async function readPage(
  site: string,
  reference: PageReference,
  bytes: Uint8Array | null,
): Promise<LiveObject[]> {
  const refuse = (why: string) => new ManifestError('MANIFEST_PAGE', reference.name, why);
  if (bytes === null) throw refuse('the page is not there.');
  if (sha256Of(bytes) !== reference.sha256)
    throw refuse('the page is not the one that the checkpoint names.');
  const page = JSON.parse((await decompress(bytes, { maxOutputLength: maxPageBytes })).toString('utf8'));
  if (!Check(PageSchema, page) || page.site !== site || page.objects.length !== reference.objects)
    throw refuse('the page is not as the checkpoint says.');
  const objects = (page as Page).objects as LiveObject[];
  if (!objects.every(({ object }) => isOf(site, object.name)))
    throw refuse('it names objects of another site.');
  return objects;
}
