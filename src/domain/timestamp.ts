import * as z from 'zod';

const uint32 = z.int().min(0).max(0xffff_ffff);

/** A MongoDB timestamp: seconds since the epoch and an ordinal within them, both unsigned 32 bit. */
export const timestampSchema = z.strictObject({ t: uint32, i: uint32 });
export type Timestamp = z.infer<typeof timestampSchema>;

/** An optime: a timestamp together with the election term that wrote it; only both identify an oplog entry. */
export const opTimeSchema = z.strictObject({ ts: timestampSchema, t: z.int().min(-1) });
export type OpTime = z.infer<typeof opTimeSchema>;

/** Orders by time only: terms identify, they do not order (design: "ordering uses {t, i} with term, never wall clocks"). */
export function compareTimestamps(a: Timestamp, b: Timestamp): number {
  return a.t - b.t || a.i - b.i;
}

export function laterTimestamp(a: Timestamp, b: Timestamp): Timestamp {
  return compareTimestamps(a, b) >= 0 ? a : b;
}

export function sameOpTime(a: OpTime, b: OpTime): boolean {
  return a.t === b.t && compareTimestamps(a.ts, b.ts) === 0;
}

/** `<seconds>-<increment>`, zero-padded to ten digits each, so that names sort as times. */
export function formatTimestampKey(ts: Timestamp): string {
  return `${String(ts.t).padStart(10, '0')}-${String(ts.i).padStart(10, '0')}`;
}

/** `t:i`, as people and mongorestore's --oplogLimit write it. */
export function formatTimestamp(ts: Timestamp): string {
  return `${ts.t}:${ts.i}`;
}

export function timestampToDate(ts: Timestamp): Date {
  return new Date(ts.t * 1000);
}

/** `seconds:increment (term n)`, for messages. */
export function describeOpTime({ ts, t }: OpTime): string {
  return `${formatTimestamp(ts)} (term ${t})`;
}
