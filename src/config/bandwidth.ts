import * as z from 'zod';

const units = new Map([
  ['kB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
]);
const pattern = /^(\d+(?:\.\d+)?) ?(kB|MB|GB|KiB|MiB|GiB)\/s$/;

/**
 * Slower than that, 64 scans that wait for one another could wait for half an hour with batches of 16 MiB, after which a
 * server ends their sessions.
 */
const least = 2 ** 20;
const expected = 'expected bytes per second, 1MiB/s at least, such as 200MiB/s or 1.5GB/s';

/** `200MiB/s` in bytes per second; NaN for what is none. */
export function parseBandwidth(text: string): number {
  const [, amount, unit] = pattern.exec(text) ?? [];
  return Math.round(Number(amount) * (units.get(unit ?? '') ?? Number.NaN));
}

export const bandwidthSchema = z
  .string(expected)
  .regex(pattern, expected)
  // What the pattern refuses is told once.
  .refine(
    (text) => !pattern.test(text) || (parseBandwidth(text) >= least && Number.isSafeInteger(parseBandwidth(text))),
    expected,
  );
