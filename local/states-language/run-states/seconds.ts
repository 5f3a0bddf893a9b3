import { readRoots } from '../data-flow.ts';
import { runtimeFailure } from '../failures.ts';
import type { Roots } from '../intrinsics.ts';

/** The longest time that a state may wait or run (Step Functions). */
export const maximumSeconds = 99_999_999;

/** A number of seconds, fixed or from a path; undefined when neither is given. @throws StateFailure States.Runtime for anything but a whole number in range */
export function secondsFrom(
  fixed: number | undefined,
  path: string | undefined,
  roots: Roots,
  field: string,
  least = 0,
): number | undefined {
  if (path === undefined) return fixed;
  const value = readRoots(path, roots, field);
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= maximumSeconds) return value;
  throw runtimeFailure(
    `The ${field} parameter does not reference an integer from ${least} to ${maximumSeconds}: ${path} == ${JSON.stringify(value)}`,
  );
}
