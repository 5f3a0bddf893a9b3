/** Rate and remaining time of a run, over a sliding window: an average since the start would hide a stall for hours. */

export interface ProgressSample {
  /** Milliseconds of one clock; only differences count. */
  readonly at: number;
  /** Raw bytes so far. */
  readonly bytes: number;
}

/** Milliseconds between two writes of the progress. To a directory they cost nothing, to S3 half a cent for a thousand. */
export const progressIntervals = { local: 1_000, fargate: 10_000 } as const;

/** Milliseconds that the rate looks back. */
export const rateWindow = 30_000;

/** The samples with a new one, without those that the window no longer needs: one older than it stays as its edge. */
export function addSample(samples: readonly ProgressSample[], sample: ProgressSample): ProgressSample[] {
  const edge = sample.at - rateWindow;
  const firstInside = samples.findIndex(({ at }) => at > edge);
  const kept = firstInside < 0 ? samples.slice(-1) : samples.slice(Math.max(0, firstInside - 1));
  return [...kept, sample];
}

/** Bytes per second between the oldest and the newest sample; 0 when there is no span. Never negative. */
export function bytesPerSecond(samples: readonly ProgressSample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return 0;
  return Math.max(0, ((last.bytes - first.bytes) * 1000) / (last.at - first.at));
}

/**
 * Seconds to go at the present rate; null while total or rate is unknown. 0 when the total is reached: totals are
 * estimates and may be passed.
 */
export function etaSeconds(doneBytes: number, totalBytes: number | null, rate: number): number | null {
  if (totalBytes === null) return null;
  if (doneBytes >= totalBytes) return 0;
  return rate > 0 ? Math.ceil((totalBytes - doneBytes) / rate) : null;
}
