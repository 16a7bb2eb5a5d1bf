/**
 * Certificates for the lab and for tests: an authority, and what it issues to servers. X.509 v3 with ECDSA keys on P-256, as any
 * TLS library takes it. Node reads certificates and makes none; what is needed of DER is little enough to stand here.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** PEM both. */
export interface Certificate {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** @param names Host names and IPv4 addresses under which the server is reached. */
  issue(names: readonly string[], validity: Validity): Certificate;
}

export function makeAuthority(name: string, validity: Validity): Authority {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name, keyId: keyId(pair.publicKey), privateKey: pair.privateKey };
  const extensions = [
    extension('551d13', sequence(boolean(true)), 'critical'),
    extension('551d0f', bits(0x06, 1), 'critical'),
    extension('551d0e', octets(issuer.keyId)),
  ];
  return {
    certificate: signed(issuer, { name, publicKey: pair.publicKey, validity, extensions }),
    issue: (names, its) => issue(issuer, names, its),
  };
}

interface Issuer {
  name: string;
  keyId: Buffer;
  privateKey: KeyObject;
}

interface Subject {
  name: string;
  publicKey: KeyObject;
  validity: Validity;
  extensions: Buffer[];
}

function issue(issuer: Issuer, names: readonly string[], validity: Validity): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const alternatives = names.map((name) =>
    isIPv4(name) ? tagged(0x87, Buffer.from(name.split('.').map(Number))) : tagged(0x82, Buffer.from(name)),
  );
  const extensions = [
    extension('551d13', sequence(), 'critical'),
    extension('551d0f', bits(0x80, 7), 'critical'),
    extension('551d25', sequence(identifier('2b06010505070301'))),
    extension('551d11', sequence(...alternatives)),
    extension('551d0e', octets(keyId(publicKey))),
    extension('551d23', sequence(tagged(0x80, issuer.keyId))),
  ];
  return {
    certificate: signed(issuer, { name: names[0] ?? '', publicKey, validity, extensions }),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const ecdsaWithSha256 = () => sequence(identifier('2a8648ce3d040302'));

function signed(issuer: Issuer, { name, publicKey, validity, extensions }: Subject): string {
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(randomBytes(16)),
    ecdsaWithSha256(),
    commonName(issuer.name),
    sequence(time(validity.notBefore), time(validity.notAfter)),
    commonName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions)),
  );
  const der = sequence(body, ecdsaWithSha256(), bits(sign('sha256', body, issuer.privateKey), 0));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function keyId(publicKey: KeyObject): Buffer {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20);
}

function tagged(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const size = body.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...content: Buffer[]) => tagged(0x30, ...content);
const octets = (content: Buffer) => tagged(0x04, content);
const identifier = (hex: string) => tagged(0x06, Buffer.from(hex, 'hex'));
const boolean = (value: boolean) => tagged(0x01, Buffer.from([value ? 0xff : 0]));

/** Positive, in its shortest form. */
function integer(bytes: Buffer): Buffer {
  const first = (bytes[0] ?? 0) & 0x7f;
  return tagged(0x02, Buffer.from(bytes.length > 1 ? [first || 1, ...bytes.subarray(1)] : [first]));
}

function bits(content: Buffer | number, unused: number): Buffer {
  return tagged(0x03, Buffer.from([unused]), typeof content === 'number' ? Buffer.from([content]) : content);
}

function extension(id: string, value: Buffer, critical?: 'critical'): Buffer {
  return sequence(identifier(id), ...(critical ? [boolean(true)] : []), octets(value));
}

function commonName(name: string): Buffer {
  return sequence(tagged(0x31, sequence(identifier('550403'), tagged(0x0c, Buffer.from(name)))));
}

/** As X.509 wants it: two digits of the year until 2049, four from 2050. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  return date.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(digits.slice(2)))
    : tagged(0x18, Buffer.from(digits));
}
