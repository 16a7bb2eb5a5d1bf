/** Messages as Postgres streams them (PostgreSQL manual, "Logical Replication Message Formats"). */
const u8 = (n: number) => Buffer.from([n]);
const u16 = (n: number) => Buffer.from([n >> 8, n & 255]);

function u32(n: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
}

function u64(n: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(n));
  return bytes;
}

const text = (value: string) => Buffer.from(`${value}\0`);
const message = (tag: string, ...parts: Buffer[]) => Buffer.concat([Buffer.from(tag), ...parts]);

function tuple(...values: (string | null)[]): Buffer {
  const cells = values.map((value) =>
    value === null
      ? Buffer.from('n')
      : Buffer.concat([Buffer.from('t'), u32(Buffer.byteLength(value)), Buffer.from(value)]),
  );
  return Buffer.concat([u16(values.length), ...cells]);
}

export function streamMessages(): { relation: Buffer; others: Buffer[] } {
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
  const [old, now] = [Buffer.from('O'), Buffer.from('N')];
  const others = [
    message('B', u64(0x16b374d848), u64(5_000_001), u32(99)),
    message('C', u8(0), u64(0x100), u64(0x16b374d900), u64(5_000_001)),
    message('O', u64(1), text('edge_skooly_apply_0')),
    message('I', u32(7), now, tuple('1', 'Ngo Bassé', null)),
    message('U', u32(7), old, tuple('1', 'a', 'large'), now, tuple('1', 'b', 'large')),
    message('D', u32(7), old, tuple('1', '', null)),
    message('T', u32(1), u8(0), u32(7)),
    message('M', u8(1), u64(1), text('skooly_edge.mark'), u32(2), Buffer.from('{}')),
  ];
  return { relation, others };
}
