import { randomBytes } from 'node:crypto';
import { GetObjectCommand, HeadBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { startTestLab } from '../support/lab.ts';
import { disturbRegion, type RegionAddress } from './world/regions.ts';

function clientOf({ endpoint, credentials }: RegionAddress): S3Client {
  return new S3Client({
    endpoint,
    credentials,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    requestHandler: { requestTimeout: 1_000, throwOnRequestTimeout: true },
  });
}

test('the lab has two regions: the cloud reaches them directly, the campus through its cable', async () => {
  await using test = await startTestLab();
  const { lab } = test;
  const { regions, campus } = await lab.status();
  expect(regions.map(({ name }) => name)).toEqual(['paris', 'douala']);
  const Body = randomBytes(200_000);
  for (const [index, region] of regions.entries()) {
    const { bucket: Bucket } = region;
    const fromCampus = clientOf(campus.regions[index] as RegionAddress);
    const fromCloud = clientOf(region);
    const before = lab.cable.status().bytesUp;
    const object = { Bucket, Key: 'mvan/object' };
    await fromCampus.send(new PutObjectCommand({ ...object, Body }));
    expect(lab.cable.status().bytesUp - before).toBeGreaterThan(Body.length);

    await lab.cable.cut();
    await expect(fromCampus.send(new HeadBucketCommand({ Bucket }))).rejects.toThrow();
    await lab.kill(`region-${region.name}` as 'region-paris');
    await lab.start(`region-${region.name}` as 'region-paris');
    const got = await fromCloud.send(new GetObjectCommand(object));
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? [])).toEqual(Body);
    await lab.cable.heal();

    await disturbRegion(region, { faults: [{ refuse: { status: 503, code: 'SlowDown' } }] });
    await expect(fromCloud.send(new HeadBucketCommand({ Bucket }))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 503 },
    });
    await disturbRegion(region, { faults: [] });
    await fromCloud.send(new HeadBucketCommand({ Bucket }));
  }
});
