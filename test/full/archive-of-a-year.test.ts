import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { looksAtSlices } from '../support/counted-slices.ts';

const run = promisify(execFile);
const script = join(import.meta.dirname, '..', 'support', 'year-in-child.ts');
/** By the flags that Lambda's runtime starts Node with, for the functions of 2048 MB. */
const flags = ['--expose-gc', '--max-semi-space-size=102', '--max-old-space-size=1843'];

interface Measured {
  readonly requests: number;
  readonly peakMiB: number;
  readonly result: string;
}

/**
 * A set that writes a slice a minute, for a year, with a backup a day: 525,600 slices and 365 backups in one bucket, the slices
 * of the last day in no index yet. No requests for each slice, and no memory that a function has not; the times are in
 * docs/developer-guide/performance.md.
 */
describe('an archive of half a million slices', () => {
  test('is chained, and asked for each of 365 bases, in a few looks at each slice', () => {
    const looks = looksAtSlices(525_600);
    console.log(`${(looks / 525_600).toFixed(1)} looks at each slice`);
    expect(looks).toBeLessThan(525_600 * 15);
  });

  test.each([
    ['window', 3000, '"slices":525600'],
    ['window-at', 3000, '"slices":525600'],
    // The headers of what serves the time are read: half a day, and a whole one.
    ['restore', 3000 + 1440, '"backupId"'],
    ['restore-latest', 3000 + 2 * 1440, '"backupId"'],
    ['prune-dry', 3000, '"slices":'],
    ['list', 400, '"backupId"'],
    ['describe', 3, '"backupId"'],
  ])('%s asks at most %i times, below 900 MiB', async (operation, requests, expected) => {
    const { stdout } = await run(process.execPath, [...flags, script, operation, '365', '0']);
    const measured = JSON.parse(stdout) as Measured;
    console.log(`${operation}: ${measured.requests} requests, peak ${Math.round(measured.peakMiB)} MiB`);
    expect(measured.requests).toBeLessThanOrEqual(requests);
    expect(measured.peakMiB).toBeLessThan(900);
    expect(measured.result).toContain(expected);
  });
});
