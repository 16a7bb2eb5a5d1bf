import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { manifestKeyFrom } from '../keys/manifest-key.ts';
import { drillState, usualDrills } from './drill-schedule.ts';
import { type Proof, readProof, signProof } from './proof.ts';

const proof = (at: string, other: Partial<Proof> = {}): Proof => ({
  v: 1,
  drill: 'd1',
  site: 'mvan',
  kind: 'base',
  region: 'paris',
  at,
  passed: true,
  object: { name: 'mvan/base/x', sha256: 'ab' },
  compared: { with: 'mvan/dump/y', tables: 3, rows: 10, totals: { fees: '1200000' } },
  smoke: 'passed',
  rtoMs: 1200,
  rpoMs: 60_000,
  problems: [],
  ...other,
});
const { privateKey } = generateKeyPairSync('ed25519');
const key = manifestKeyFrom(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'test');
const trusted = new Set([key.publicKey]);

test('a signed proof is read back', () => {
  const signed = signProof(proof('2026-11-23T10:00:00.000Z'), key);
  expect(readProof(JSON.stringify(signed), trusted)).toEqual(signed.proof);
});

test('a proof that was changed, or that nobody trusted has signed, proves nothing', () => {
  const signed = signProof(proof('2026-11-23T10:00:00.000Z', { passed: false }), key);
  const forged = { ...signed, proof: { ...signed.proof, passed: true } };
  expect(readProof(JSON.stringify(forged), trusted)).toBeNull();
  expect(readProof(JSON.stringify(signed), new Set())).toBeNull();
  expect(readProof('{}', trusted)).toBeNull();
});

const state = (proofs: Proof[], now: string) =>
  drillState('base', proofs, ['paris', 'douala'], usualDrills.base, {
    now: new Date(now),
    since: new Date('2026-11-01T00:00:00Z'),
  });

test('the next drill is due a week after the last that passed, in the region whose turn it is', () => {
  const result = state([proof('2026-11-20T10:00:00.000Z')], '2026-11-23T10:00:00Z');
  expect(result.next.toISOString()).toBe('2026-11-27T10:00:00.000Z');
  expect([result.region, result.alarm]).toEqual(['douala', null]);
});

test('a drill that failed is an alarm, and due again at once', () => {
  const failed = proof('2026-11-22T10:00:00.000Z', { passed: false, problems: ['x'] });
  const result = state([proof('2026-11-20T10:00:00.000Z'), failed], '2026-11-23T10:00:00Z');
  expect([result.alarm, result.next.toISOString()]).toEqual(['DRILL_FAILED', '2026-11-23T10:00:00.000Z']);
});

test('no drill for too long is an alarm, but not on the first day', () => {
  expect(state([], '2026-11-02T00:00:00Z').alarm).toBeNull();
  expect(state([], '2026-11-10T00:00:01Z').alarm).toBe('DRILL_MISSING');
  expect(state([proof('2026-11-05T00:00:00.000Z')], '2026-11-15T00:00:00Z').alarm).toBe('DRILL_MISSING');
});
