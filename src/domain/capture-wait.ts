/** Seconds between two looks at a run's capture. */
export interface CaptureWait {
  readonly first: number;
  readonly least: number;
  readonly most: number;
}

/** On AWS, where every look costs three transitions. */
export const awsCaptureWait: CaptureWait = { first: 5, least: 5, most: 300 };

/**
 * A wait is this share of what has passed: the end of the bases is noticed soon, and a dump of two days takes some 1,500
 * turns of 9 events each at most (an execution has 25,000).
 */
const share = 20;

/** How long to wait, `elapsed` seconds after the plan. */
export function nextCaptureWait({ least, most }: CaptureWait, elapsed: number): number {
  return Math.min(most, Math.max(least, Math.ceil(elapsed / share)));
}
