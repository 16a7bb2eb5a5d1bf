import { likeRadosgw } from '../support/s3/faults.ts';
import { startS3, testCredential } from '../support/s3/s3.ts';
import { type Expectations, type RegionServer, regionContract } from './region.contract.ts';

const everything: Expectations = {
  ifNoneMatch: true,
  lockOnMultipart: 'with-object',
  checksum: 'sha256',
  listParts: true,
};

async function start(behaviour = {}): Promise<RegionServer> {
  const server = await startS3({ behaviour });
  return {
    endpoint: server.endpoint,
    ...testCredential,
    makeBucket: async (name, { versioning = false, lock = false }) =>
      server.store.makeBucket(name, Date.now(), { isVersioned: versioning || lock, hasLock: lock }),
    close: () => server.close(),
  };
}

regionContract('a region on a server with every ability', () => start(), everything);

regionContract('a region on a server that ignores half of what it is asked', () => start(likeRadosgw), {
  ...everything,
  ifNoneMatch: false,
  lockOnMultipart: 'afterwards',
  checksum: 'md5',
});

regionContract('a region on a server that cannot list parts', () => start({ noListParts: true }), {
  ...everything,
  listParts: false,
});
