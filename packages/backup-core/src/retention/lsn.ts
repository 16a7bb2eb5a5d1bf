/** A position in the WAL, `16/B374D848`, as a number that compares. */
export function lsnToNumber(lsn: string): bigint {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(lsn);
  if (!match) throw new TypeError(`${lsn} is no position in the WAL.`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}
