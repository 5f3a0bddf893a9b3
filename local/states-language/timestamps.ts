const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,9})\d*)?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * Nanoseconds since 1970 of a timestamp of the States Language: RFC 3339 with an upper-case T, and Z or an offset.
 * `undefined` for anything else.
 */
export function parseTimestamp(text: string): bigint | undefined {
  const match = rfc3339.exec(text);
  if (!match) return undefined;
  const fraction = match[1] ?? '';
  const seconds = Date.parse(text.replace(/\.\d+/, ''));
  if (Number.isNaN(seconds)) return undefined;
  return BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
