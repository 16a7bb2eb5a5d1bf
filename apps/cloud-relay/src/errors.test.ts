import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type RelayErrorCode, relayErrors } from './errors.ts';

const protocol = readFileSync(
  new URL('../../../packages/sync-protocol/PROTOCOL.md', import.meta.url),
  'utf8',
);
const section = protocol.slice(
  protocol.indexOf('### Codes of the relay'),
  protocol.indexOf('### Codes of the engine'),
);

describe('what the relay refuses with', () => {
  test.each(Object.keys(relayErrors) as RelayErrorCode[])('%s is in PROTOCOL.md with its status', (code) => {
    expect(section).toMatch(new RegExp(`^\\| \`${code}\` +\\| ${relayErrors[code].status} `, 'm'));
  });

  test('is all that PROTOCOL.md names', () => {
    const named = [...section.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code);
    expect(named.toSorted()).toEqual(Object.keys(relayErrors).toSorted());
  });
});
