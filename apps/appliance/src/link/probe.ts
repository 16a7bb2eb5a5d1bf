/**
 * One round of probes: our own signed health under every known URL at once, and whether Skooly in the cloud answers. It is
 * a hit when any signed answer is good and Skooly answers too: going to a cloud whose Skooly is dead would help nobody.
 * Every probe is bounded in time, so a round is too. What the round means is decided elsewhere.
 */
import type { KeyObject } from 'node:crypto';
import type { buildConnector } from 'undici';
import type { Clock } from './clock.ts';
import { fetchProbe, openProbeAgent, type ProbeFailure } from './fetch-probe.ts';
import { judgeSignedHealth } from './signed-health.ts';

export interface ProbeResult {
  url: string;
  kind: 'signed' | 'app';
  /** ISO 8601. */
  at: string;
  ok: boolean;
  refused: boolean;
  rttMs: number | null;
  problem: string | null;
}

export interface ProbeRound {
  outcome: 'hit' | 'miss' | 'refused';
  /** What a user would have waited: the quickest signed answer, or Skooly's if that took longer. Null without a hit. */
  rttMs: number | null;
  /** The cloud's clock minus this machine's, when a signed answer told it. */
  clockOffsetMs: number | null;
  reason: string;
  probes: ProbeResult[];
}

export interface ProberParts {
  /** Where the relay is reached; `/healthz` is asked under each. */
  relayUrls: readonly URL[];
  /** Skooly in the cloud; null: not asked. */
  appUrl: URL | null;
  publicKey: KeyObject;
  timeoutMs: number;
  clock: Clock;
  /** How TLS is made; left out, as undici does. */
  connect?: buildConnector.connector;
  /** 16 random bytes. */
  randomBytes(size: 16): Buffer;
  /** Called as a signed probe is sent; what it returns is called with the cloud's time, once the answer is proved good. */
  exchange?(): (cloudTimeMs: number) => void;
}

export interface Prober {
  round(signal: AbortSignal): Promise<ProbeRound>;
  close(): Promise<void>;
}

type Probed = ProbeResult & { offsetMs: number | null };

export function openProber(parts: ProberParts): Prober {
  const agent = openProbeAgent(parts.connect);
  const reach = { agent, clock: parts.clock, timeoutMs: parts.timeoutMs };

  async function probe(kind: Probed['kind'], base: URL, signal: AbortSignal): Promise<Probed> {
    const nonce = kind === 'signed' ? parts.randomBytes(16).toString('hex') : null;
    const url = new URL(`${base.pathname.replace(/\/$/, '')}/healthz${nonce ? `?nonce=${nonce}` : ''}`, base);
    const about = { url: base.href, kind, at: new Date(parts.clock.wallMs()).toISOString(), offsetMs: null };
    const sentAtMs = parts.clock.wallMs();
    const answered = nonce ? parts.exchange?.() : undefined;
    try {
      const { status, body, rttMs } = await fetchProbe(reach, url, signal);
      const judged = nonce ? judgeSigned(status, body, nonce) : judgeApp(status);
      if (!judged.ok) return { ...about, ok: false, refused: false, rttMs, problem: judged.problem };
      if (judged.timeMs !== null) answered?.(judged.timeMs);
      const offsetMs = judged.timeMs === null ? null : Math.round(judged.timeMs - (sentAtMs + rttMs / 2));
      return { ...about, ok: true, refused: false, rttMs, problem: null, offsetMs };
    } catch (error) {
      const { message, refused = false } = error as Partial<ProbeFailure>;
      return { ...about, ok: false, refused, rttMs: null, problem: message ?? String(error) };
    }
  }

  function judgeSigned(status: number, body: string, nonce: string) {
    if (status !== 200) return { ok: false as const, problem: `the answer is ${status}` };
    return judgeSignedHealth(body, nonce, parts.publicKey);
  }

  return {
    async round(signal) {
      const signed = parts.relayUrls.map((url) => probe('signed', url, signal));
      const app = parts.appUrl ? [probe('app', parts.appUrl, signal)] : [];
      return judgeRound(await Promise.all([...signed, ...app]));
    },
    close: () => agent.destroy(),
  };
}

/** Any answer but a server's own failure shows that Skooly is there; what it says is not ours to judge. */
function judgeApp(status: number): { ok: true; timeMs: null } | { ok: false; problem: string } {
  return status < 500
    ? { ok: true, timeMs: null }
    : { ok: false, problem: `Skooly in the cloud answers ${status}` };
}

function judgeRound(probed: Probed[]): ProbeRound {
  const signed = probed.filter(({ kind }) => kind === 'signed');
  const app = probed.find(({ kind }) => kind === 'app');
  const best = signed.filter(({ ok }) => ok).sort((a, b) => (a.rttMs ?? 0) - (b.rttMs ?? 0))[0];
  const probes = probed.map(({ offsetMs: _, ...result }) => result);
  const clockOffsetMs = best?.offsetMs ?? null;
  if (best && (app?.ok ?? true)) {
    const rttMs = Math.max(best.rttMs ?? 0, app?.rttMs ?? 0);
    return { outcome: 'hit', rttMs, clockOffsetMs, reason: 'the cloud answers', probes };
  }
  const failed = best && app ? [app] : signed;
  const outcome = failed.every(({ refused }) => refused) ? 'refused' : 'miss';
  const whom = best ? 'Skooly in the cloud' : 'the relay';
  return {
    outcome,
    rttMs: null,
    clockOffsetMs,
    reason: `${whom}: ${failed[0]?.problem ?? 'no answer'}`,
    probes,
  };
}
