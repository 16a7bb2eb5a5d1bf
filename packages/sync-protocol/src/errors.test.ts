import { describe, expect, it } from 'vitest';
import { errorCatalogue, SyncError, type SyncErrorCode } from './errors.ts';

describe('an error of the protocol', () => {
  it('carries its code, its sentence, its cause and the advice of the catalogue', () => {
    const cause = new Error('below');
    const error = new SyncError('WAL_LEVEL', 'wal_level is replica.', { cause });
    expect(error).toMatchObject({
      name: 'SyncError',
      code: 'WAL_LEVEL',
      message: 'wal_level is replica.',
      advice: errorCatalogue.WAL_LEVEL,
      cause,
    });
  });

  it.each(Object.keys(errorCatalogue) as SyncErrorCode[])('%s advises in one sentence', (code) => {
    expect(errorCatalogue[code]).toMatch(/^[A-Z].*\.$/);
    expect(errorCatalogue[code]).not.toMatch(/\n|\. [A-Z]/);
  });
});
