/** What the region says it holds, and whether that is what it was given. */
import {
  GetObjectRetentionCommand,
  type GetObjectRetentionCommandOutput,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import type { Abilities } from './abilities.ts';
import { isRegionError, RegionError } from './errors.ts';
import type { Stored } from './region.ts';
import type { S3Calls } from './s3-calls.ts';

export type LockMode = 'GOVERNANCE' | 'COMPLIANCE';

export interface Expected {
  readonly bytes: number;
  /** Hex, as noted with the object. */
  readonly sha256: string;
  /** Without quotes; what a region whose tags are MD5s must say. */
  readonly etag: string;
}

export async function headObject(calls: S3Calls, name: string, signal?: AbortSignal): Promise<Stored | null> {
  try {
    const head = await calls.send<HeadObjectCommandOutput>(
      new HeadObjectCommand({ Bucket: calls.bucket, Key: name }),
      { signal },
    );
    return {
      name,
      bytes: head.ContentLength ?? 0,
      etag: unquoted(head.ETag),
      versionId: head.VersionId ?? null,
      at: head.LastModified ?? new Date(0),
      lockedUntil: head.ObjectLockRetainUntilDate ?? null,
      sha256: head.Metadata?.sha256 ?? null,
    };
  } catch (error) {
    if (isRegionError(error, 'REGION_NOT_FOUND')) return null;
    throw error;
  }
}

/** Null: it is what was sent. Else what differs, to continue the region's name. */
export function difference(stored: Stored, expected: Expected, abilities: Abilities): string | null {
  const { name } = stored;
  if (stored.bytes !== expected.bytes)
    return `holds ${stored.bytes} bytes as ${name}, of ${expected.bytes} that it acknowledged`;
  if (stored.sha256 !== expected.sha256) return `holds ${name} without the hash that was noted with it`;
  if (abilities.etagIsMd5 && stored.etag !== expected.etag)
    return `holds other bytes as ${name} than were sent (tag ${stored.etag}, not ${expected.etag})`;
  return null;
}

/**
 * The answer of a region after an upload, with its lock set where it was forgotten.
 * @throws RegionError REGION_LIED when it does not hold what it acknowledged.
 */
export async function confirm(
  calls: S3Calls,
  name: string,
  expected: Expected,
  options: { abilities: Abilities; lockUntil: Date | undefined; lockMode: LockMode; signal?: AbortSignal },
): Promise<Stored> {
  const stored = await headObject(calls, name, options.signal);
  if (stored === null)
    throw new RegionError('REGION_LIED', calls.region, `acknowledged ${name} and does not have it`);
  const differs = difference(stored, expected, options.abilities);
  if (differs !== null) throw new RegionError('REGION_LIED', calls.region, differs);
  return await lock(calls, stored, options);
}

/** A lock is never shortened: one that lasts longer stays. */
export async function lock(
  calls: S3Calls,
  stored: Stored,
  options: { abilities: Abilities; lockUntil: Date | undefined; lockMode: LockMode; signal?: AbortSignal },
): Promise<Stored> {
  const { abilities, lockUntil, lockMode, signal } = options;
  if (lockUntil === undefined || abilities.lock === 'none' || isLocked(stored, lockUntil)) return stored;
  const { name, versionId } = stored;
  const version = { Bucket: calls.bucket, Key: name, ...(versionId !== null && { VersionId: versionId }) };
  const seen = await retention(calls, version, signal);
  if (!isLocked({ lockedUntil: seen }, lockUntil)) {
    const Retention = { Mode: lockMode, RetainUntilDate: lockUntil };
    await calls.send(new PutObjectRetentionCommand({ ...version, Retention }), { signal, withMd5: true });
  }
  const lockedUntil = await retention(calls, version, signal);
  if (isLocked({ lockedUntil }, lockUntil)) return { ...stored, lockedUntil };
  const found = lockedUntil === null ? 'not at all' : `until ${lockedUntil.toISOString()}`;
  throw new RegionError(
    'REGION_LIED',
    calls.region,
    `holds ${name} locked ${found}, though it took a lock until ${lockUntil.toISOString()}`,
  );
}

/** Until when the version is locked; null when it is not. */
export async function retention(
  calls: S3Calls,
  version: { Bucket: string; Key: string; VersionId?: string },
  signal?: AbortSignal,
): Promise<Date | null> {
  try {
    const answer = await calls.send<GetObjectRetentionCommandOutput>(new GetObjectRetentionCommand(version), {
      signal,
    });
    return answer.Retention?.RetainUntilDate ?? null;
  } catch (error) {
    // An object without a lock has none to show, and servers answer 404 or 400 to that.
    if (isRegionError(error, 'REGION_NOT_FOUND', 'REGION_UNSUITABLE')) return null;
    throw error;
  }
}

/** Servers keep whole seconds. */
function isLocked({ lockedUntil }: { lockedUntil: Date | null }, until: Date): boolean {
  return lockedUntil !== null && lockedUntil.getTime() >= Math.floor(until.getTime() / 1000) * 1000;
}

export function unquoted(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '');
}
