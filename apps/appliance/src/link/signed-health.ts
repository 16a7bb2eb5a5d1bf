/**
 * Whether an answer to a probe comes from our own cloud. A captive portal answers 200 to everything, and a cache may give
 * an old answer again: only the signature over the nonce of this very probe proves that the cloud was reached just now.
 * The time of the cloud is not held against the clock of this machine, which may be wrong after a power cut.
 */
import { type KeyObject, verify } from 'node:crypto';
import Type from 'typebox';
import { Value } from 'typebox/value';

const SignedHealth = Type.Object({
  status: Type.Literal('ok'),
  site: Type.Literal('cloud'),
  nonce: Type.String(),
  time: Type.String({ maxLength: 40 }),
  signature: Type.String({ maxLength: 200 }),
});

export type HealthVerdict = { ok: true; timeMs: number } | { ok: false; problem: string };

export function judgeSignedHealth(body: string, nonce: string, publicKey: KeyObject): HealthVerdict {
  const answer = parseJson(body);
  if (!Value.Check(SignedHealth, answer)) {
    return { ok: false, problem: 'the answer does not come from the relay (a captive portal?)' };
  }
  if (answer.nonce !== nonce) return { ok: false, problem: 'the answer belongs to an older probe' };
  const signed = Buffer.from(`skooly-edge/health/1\n${nonce}\n${answer.time}`);
  const timeMs = Date.parse(answer.time);
  if (!verify(null, signed, publicKey, Buffer.from(answer.signature, 'base64')) || Number.isNaN(timeMs)) {
    return { ok: false, problem: 'the answer is not signed by the cloud' };
  }
  return { ok: true, timeMs };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
