import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatLsn, PgoutputDecoder, PgoutputError, parseLsn } from './pgoutput.ts';

/** Microseconds from 1970 to 2000, where Postgres begins to count. */
const epochUs = 946_684_800_000_000;

const u8 = (n: number) => Buffer.from([n]);
const u16 = (n: number) => Buffer.from([n >> 8, n & 255]);
const u32 = (n: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
};
const u64 = (n: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(n));
  return bytes;
};
const text = (value: string) => Buffer.from(`${value}\0`);
const message = (tag: string, ...parts: Buffer[]) => Buffer.concat([Buffer.from(tag), ...parts]);
const unchanged = Symbol('unchanged TOAST');

function tuple(...values: (string | null | typeof unchanged)[]): Buffer {
  const parts = values.map((value) => {
    if (value === null) return Buffer.from('n');
    if (value === unchanged) return Buffer.from('u');
    return Buffer.concat([Buffer.from('t'), u32(Buffer.byteLength(value)), Buffer.from(value)]);
  });
  return Buffer.concat([u16(values.length), ...parts]);
}

const columns = ['id', 'name', 'photo'];
const relation = message(
  'R',
  u32(7),
  text('public'),
  text('pupil'),
  Buffer.from('f'),
  u16(columns.length),
  ...columns.flatMap((column) => [u8(1), text(column), u32(25), u32(0xffffffff)]),
);
const begin = message('B', u64(0x16_b374_d848), u64(5_000_001), u32(99));
const commit = message('C', u8(0), u64(0x100), u64(0x16_b374_d900), u64(5_000_001));
const origin = message('O', u64(1), text('edge_skooly_apply_0'));
const insert = message('I', u32(7), Buffer.from('N'), tuple('1', 'Ngo Bassé 👩🏾‍🏫', null));
const update = message(
  'U',
  u32(7),
  Buffer.from('O'),
  tuple('1', 'a', 'large'),
  Buffer.from('N'),
  tuple('1', 'b', unchanged),
);
const remove = message('D', u32(7), Buffer.from('O'), tuple('1', '', null));
const truncate = message('T', u32(1), u8(0), u32(7));
const note = message('M', u8(1), u64(1), text('skooly_edge.mark'), u32(2), Buffer.from('{}'));

function decoder(): PgoutputDecoder {
  const fresh = new PgoutputDecoder();
  fresh.decode(relation);
  return fresh;
}

describe('a message of the stream', () => {
  it('begin and commit tell the position and the time in microseconds since 1970', () => {
    expect(decoder().decode(begin)).toEqual({
      tag: 'begin',
      finalLsn: 0x16_b374_d848,
      committedAt: epochUs + 5_000_001,
      xid: 99,
    });
    expect(decoder().decode(commit)).toEqual({
      tag: 'commit',
      endLsn: 0x16_b374_d900,
      committedAt: epochUs + 5_000_001,
    });
  });

  it('a commit of a machine whose clock stands at 1970, or before, is told as it can be', () => {
    const at = (us: number) => {
      const time = Buffer.alloc(8);
      time.writeBigInt64BE(BigInt(us - epochUs));
      return decoder().decode(message('C', u8(0), u64(1), u64(2), time));
    };
    expect(at(300_000_001)).toMatchObject({ committedAt: 300_000_001 });
    expect(at(-5)).toMatchObject({ committedAt: 0 });
  });

  it('relation announces the schema-qualified name and the columns', () => {
    expect(new PgoutputDecoder().decode(relation)).toEqual({
      tag: 'relation',
      relation: { id: 7, table: 'public.pupil', columns },
    });
  });

  it('insert keeps text as it is and tells NULL from the empty text', () => {
    expect(decoder().decode(insert)).toMatchObject({
      tag: 'insert',
      after: { id: '1', name: 'Ngo Bassé 👩🏾‍🏫', photo: null },
    });
    expect(decoder().decode(remove)).toMatchObject({
      tag: 'delete',
      before: { id: '1', name: '', photo: null },
    });
  });

  it('update takes a TOAST value that it left unchanged from the old row', () => {
    expect(decoder().decode(update)).toMatchObject({
      tag: 'update',
      before: { id: '1', name: 'a', photo: 'large' },
      after: { id: '1', name: 'b', photo: 'large' },
    });
  });

  it('origin, truncate and logical messages are told', () => {
    expect(decoder().decode(origin)).toEqual({ tag: 'origin', name: 'edge_skooly_apply_0' });
    expect(decoder().decode(truncate)).toMatchObject({ relations: [{ table: 'public.pupil' }] });
    expect(decoder().decode(note)).toEqual({
      tag: 'message',
      transactional: true,
      prefix: 'skooly_edge.mark',
      content: '{}',
    });
  });

  it('a relation that is announced again replaces the first', () => {
    const stream = decoder();
    stream.decode(
      message('R', u32(7), text('public'), text('class'), u8(102), u16(1), u8(1), text('id'), u64(0)),
    );
    expect(stream.decode(message('I', u32(7), Buffer.from('N'), tuple('1')))).toMatchObject({
      relation: { table: 'public.class' },
      after: { id: '1' },
    });
  });
});

describe('a message is refused when', () => {
  it.each([
    ['an update has no old row', message('U', u32(7), Buffer.from('N'), tuple('1', 'b', null))],
    ['an update has only the old key', message('U', u32(7), Buffer.from('K'), tuple('1', null, null))],
    ['a delete has only the old key', message('D', u32(7), Buffer.from('K'), tuple('1', null, null))],
  ])('%s: the table has no REPLICA IDENTITY FULL', (_case, bytes) => {
    expect(() => decoder().decode(bytes)).toThrow('public.pupil has no REPLICA IDENTITY FULL');
  });

  it.each([
    ['its tag is unknown', message('?')],
    ['it names a relation that was not announced', message('I', u32(8), Buffer.from('N'), tuple('1'))],
    ['a row has fewer columns than the relation', message('I', u32(7), Buffer.from('N'), tuple('1'))],
    [
      'an insert leaves a value unchanged',
      message('I', u32(7), Buffer.from('N'), tuple('1', 'a', unchanged)),
    ],
    [
      'a value is longer than the message',
      message('I', u32(7), Buffer.from('N'), u16(3), u8(116), u32(0xffffffff)),
    ],
  ])('%s', (_case, bytes) => {
    expect(() => decoder().decode(bytes)).toThrow(PgoutputError);
  });

  it.each(Object.entries({ begin, commit, origin, relation, insert, update, remove, truncate, note }))(
    '%s is cut short at any length',
    (_name, bytes) => {
      for (let length = 0; length < bytes.length; length++)
        expect(() => decoder().decode(bytes.subarray(0, length)), `cut at ${length}`).toThrow(PgoutputError);
    },
  );

  it('its bytes are anything at all, and nothing else is thrown', () => {
    const tag = fc.constantFrom(...Buffer.from('BCORIUDTMY?'));
    fc.assert(
      fc.property(tag, fc.uint8Array({ maxLength: 60 }), (first, rest) => {
        try {
          decoder().decode(Buffer.from([first, ...rest]));
        } catch (error) {
          expect(error).toBeInstanceOf(PgoutputError);
        }
      }),
    );
  });
});

describe('a WAL position', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (lsn) => {
        expect(parseLsn(formatLsn(lsn))).toBe(lsn);
      }),
    );
    expect(formatLsn(parseLsn('16/B374D848'))).toBe('16/B374D848');
  });

  it.each(['', 'x/y', '16'])('%j is refused', (wrong) => {
    expect(() => parseLsn(wrong)).toThrow(PgoutputError);
  });
});
