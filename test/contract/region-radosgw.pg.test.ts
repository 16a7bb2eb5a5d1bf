/** Not in the quick run: it starts a real server of some programs. */
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, test } from 'vitest';
import { radosgwMissing, startRadosgw } from '../support/radosgw.ts';
import { type RegionServer, regionContract } from './region.contract.ts';

async function start(): Promise<RegionServer> {
  const radosgw = await startRadosgw();
  const { endpoint, accessKeyId, secretAccessKey } = radosgw;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  return {
    endpoint,
    accessKeyId,
    secretAccessKey,
    async makeBucket(name, { versioning = false, lock = false }) {
      await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: lock }));
      const VersioningConfiguration = { Status: 'Enabled' } as const;
      if (versioning)
        await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration }));
    },
    async close() {
      client.destroy();
      await radosgw.close();
    },
  };
}

const missing = radosgwMissing();
// The continuous integration installs it, so there it is an error that it is not here.
if (missing !== null && process.env.CI === undefined && process.env.SKOOLY_CI_RUN === undefined)
  describe('a region on radosgw', () => test.skip(missing));
else
  regionContract('a region on radosgw', start, {
    ifNoneMatch: false,
    lockOnMultipart: 'afterwards',
    checksum: 'md5',
    listParts: true,
  });
