/** Values of one column as one parameter: UUIDs as Postgres holds them, which spares it half of the bytes and the reading of each; all else as text. */
import type { Value } from '../transaction/transaction.ts';

const uuidType = 2950;
const uuidBytes = 16;
const uuidCharacters = 36;
const dash = 0x2d;

/** @returns a Buffer where the driver is to send it as binary. */
export function arrayParameter(type: string, values: readonly Value[]): string | Buffer {
  return (type === 'uuid' ? uuidArray(values) : null) ?? arrayText(values);
}

/**
 * An array in Postgres's binary form (its `array_send`): dimensions, whether there are NULLs, the elements' type, how many, the
 * lower bound; then for each element its length and its bytes.
 *
 * @returns null where one of the values is not written as Postgres writes a UUID: whether it is one, Postgres has to say.
 */
function uuidArray(values: readonly Value[]): Buffer | null {
  if (values.length === 0 || !values.every(looksLikeUuid)) return null;
  const raw = Buffer.allocUnsafeSlow(values.length * uuidBytes);
  if (raw.write(values.join('').replaceAll('-', ''), 'hex') !== raw.length) return null;
  const array = Buffer.allocUnsafeSlow(20 + values.length * (4 + uuidBytes));
  for (const [index, field] of [1, 0, uuidType, values.length, 1].entries())
    array.writeInt32BE(field, index * 4);
  const [from, to] = [wordsOf(raw), wordsOf(array)];
  const length = wordsOf(bigEndian(uuidBytes))[0] as number;
  for (let word = 0, at = 5; word < from.length; word += 4, at += 5) {
    to[at] = length;
    to[at + 1] = from[word] as number;
    to[at + 2] = from[word + 1] as number;
    to[at + 3] = from[word + 2] as number;
    to[at + 4] = from[word + 3] as number;
  }
  return array;
}

function looksLikeUuid(value: Value): boolean {
  return (
    value?.length === uuidCharacters &&
    value.charCodeAt(8) === dash &&
    value.charCodeAt(13) === dash &&
    value.charCodeAt(18) === dash &&
    value.charCodeAt(23) === dash
  );
}

function wordsOf({ buffer, byteOffset, length }: Buffer): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length / 4);
}

function bigEndian(number: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(4);
  bytes.writeInt32BE(number);
  return bytes;
}

const special = /["\\]/;

/** An array in Postgres's text form. Manual, "Array Input and Output Syntax". */
function arrayText(values: readonly Value[]): string {
  let text = '{';
  for (const value of values) {
    if (text.length > 1) text += ',';
    if (value === null) text += 'NULL';
    else text += special.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
  }
  return `${text}}`;
}
