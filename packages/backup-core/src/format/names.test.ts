import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical.ts';
import { objectName } from './names.ts';

const random = Buffer.from('1f00c2aa', 'hex');
const at = new Date('2026-11-23T02:00:00.123Z');

describe('the name of an object', () => {
  it.each([
    ['dump', at, 'mvan/dump/20261123T020000Z-1f00c2aa.dump.zst.pgp'],
    ['base', at, 'mvan/base/20261123T020000Z-1f00c2aa.tar.zst.pgp'],
    [
      'wal',
      { segment: '00000001000000000000000A' },
      'mvan/wal/00000001/00000001000000000000000A-1f00c2aa.zst.pgp',
    ],
    ['history', { history: '00000002.history' }, 'mvan/history/00000002.history-1f00c2aa.zst.pgp'],
    ['sync-log', at, 'mvan/sync-log/20261123T020000Z-1f00c2aa.zst.pgp'],
    ['proof', at, 'mvan/proof/20261123T020000Z-1f00c2aa.json.zst.pgp'],
  ] as const)('of a %s', (kind, what, name) => {
    expect(objectName({ site: 'mvan', kind, what, random })).toBe(name);
  });

  it('is not made for what is no site', () => {
    expect(() => objectName({ site: '../mvan', kind: 'dump', what: at, random })).toThrow(RangeError);
  });
});

describe('canonical JSON', () => {
  it('has one text for one value', () => {
    expect(canonicalJson({ b: [1, null, true], a: { é: '\u2028', Z: undefined, A: '"' } })).toBe(
      '{"a":{"A":"\\"","é":"\u2028"},"b":[1,null,true]}',
    );
  });

  it.each([[1.5], [2 ** 53], [Number.NaN], [undefined], [() => 1]])('refuses %s', (value) => {
    expect(() => canonicalJson([value])).toThrow();
  });
});
