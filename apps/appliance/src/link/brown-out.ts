/**
 * The last rounds of probes, and whether together they are a brown-out: a link that still answers now and then, but that
 * nobody can work over. Judged only once the rounds span the whole window.
 */
import type { BrownOutSettings } from './settings.ts';

export interface Sample {
  atMs: number;
  /** Null: no answer. */
  rttMs: number | null;
}

export interface Quality {
  samples: number;
  lossRatio: number;
  /** Of the rounds that were answered; null when none was. */
  p95Ms: number | null;
  /** Null: no brown-out. */
  brownOut: string | null;
}

const leastSamples = 5;
/** A bound on memory, whatever the settings: the oldest go first. */
const mostSamples = 2_000;

export function withSample(samples: readonly Sample[], sample: Sample, settings: BrownOutSettings): Sample[] {
  const from = sample.atMs - settings.windowMs;
  const firstKept = samples.findLastIndex(({ atMs }) => atMs <= from);
  return [...samples.slice(Math.max(firstKept, 0)), sample].slice(-mostSamples);
}

export function judgeQuality(samples: readonly Sample[], nowMs: number, settings: BrownOutSettings): Quality {
  const recent = samples.filter(({ atMs }) => atMs >= nowMs - settings.windowMs);
  const answered = recent.flatMap(({ rttMs }) => (rttMs === null ? [] : [rttMs])).sort((a, b) => a - b);
  const lossRatio = recent.length === 0 ? 0 : (recent.length - answered.length) / recent.length;
  const p95Ms = answered[Math.ceil(answered.length * 0.95) - 1] ?? null;
  const measured = { samples: recent.length, lossRatio, p95Ms };
  const spansWindow = samples.length > 0 && (samples[0] as Sample).atMs <= nowMs - settings.windowMs;
  if (!spansWindow || recent.length < leastSamples) return { ...measured, brownOut: null };
  return { ...measured, brownOut: reasonOf(measured, settings) };
}

function reasonOf(
  { lossRatio, p95Ms }: Omit<Quality, 'brownOut'>,
  settings: BrownOutSettings,
): string | null {
  const seconds = Math.round(settings.windowMs / 1_000);
  if (lossRatio >= settings.lossRatio) {
    return `brown-out: ${Math.round(lossRatio * 100)} % of the probes of the last ${seconds} s were lost`;
  }
  if (p95Ms !== null && p95Ms >= settings.p95Ms) {
    return `brown-out: the slowest probes of the last ${seconds} s took ${Math.round(p95Ms)} ms`;
  }
  return null;
}
