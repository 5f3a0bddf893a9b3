import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8 from enlarging the space for new objects: for a process that makes millions of short-lived ones and is to stay
 * small. V8 doubles that space each time it has filled up, to 96 MiB, or on Lambda to three times 5 % of the function's memory
 * by the flags of its runtime, which nobody can leave out; what grew, grew with garbage. Takes effect at once, also in a
 * process that runs (Node 24; looked at in `v8.getHeapSpaceStatistics`).
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
