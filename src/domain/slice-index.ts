import * as z from 'zod';
import { artifactKeys } from './names.ts';
import { compareTimestamps, type OpTime, sameOpTime, type Timestamp } from './timestamp.ts';

/**
 * What the check of an archive has seen of its slices: `oplog/index/<set>-<id>/<day>.ndjson`, a line for each slice whose first
 * entry is of that day (UTC). Derived: the slices are the truth, and a line is believed only while the listing of the
 * storage still says of the slice what it said then (ADR 0045). Without an index everything is the same, only slower.
 */

/** The first line. */
export const sliceIndexHeaderSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /** Of the lines that follow, as they are written. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** A line, `[...]`: as half a million of them are read for a year, they have no names. */
export type SliceIndexRow = readonly [
  /** Size and version of the object, as the listing told them. */
  size: number,
  version: string,
  /** From the header: its first entry and its last, each time, ordinal and term. */
  fromT: number,
  fromI: number,
  fromTerm: number,
  toT: number,
  toI: number,
  toTerm: number,
  /** How many entries, their bytes and their SHA-256. */
  entries: number,
  rawBytes: number,
  sha256: string,
  /** When the transactions were prepared that are not decided at its end. */
  undecided: readonly (readonly [t: number, i: number])[],
];

const isInteger = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
const isUint32 = (value: unknown): boolean => isInteger(value, 0, 0xffff_ffff);
const isTerm = (value: unknown): boolean => isInteger(value, -1, Number.MAX_SAFE_INTEGER);
const isCount = (value: unknown): boolean => isInteger(value, 1, Number.MAX_SAFE_INTEGER);
const isTimestamp = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && isUint32(value[0]) && isUint32(value[1]);
const isOpTime = (row: readonly unknown[], at: number): boolean =>
  isUint32(row[at]) && isUint32(row[at + 1]) && isTerm(row[at + 2]);

/** Whether what a line holds is one: by hand, because a schema takes ten times as long for half a million. */
export function isSliceIndexRow(row: unknown): row is SliceIndexRow {
  if (!Array.isArray(row) || row.length !== 12) return false;
  const [size, version, , , , , , , entries, rawBytes, sha256, undecided] = row as unknown[];
  return (
    isCount(size) &&
    typeof version === 'string' &&
    isOpTime(row, 2) &&
    isOpTime(row, 5) &&
    isCount(entries) &&
    isCount(rawBytes) &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    Array.isArray(undecided) &&
    undecided.every(isTimestamp)
  );
}

/** What is known of a slice without reading it. */
export interface IndexedSlice {
  readonly size: number;
  readonly version: string;
  readonly from: OpTime;
  readonly to: OpTime;
  readonly entries: number;
  readonly rawBytes: number;
  readonly sha256: string;
  readonly undecided: readonly Timestamp[];
}

export function toRow({ size, version, from, to, ...facts }: IndexedSlice): SliceIndexRow {
  const { entries, rawBytes, sha256, undecided } = facts;
  const { ts: first, t: fromTerm } = from;
  const { ts: last, t: toTerm } = to;
  const prepared = undecided.map(({ t, i }) => [t, i] as const);
  return [size, version, first.t, first.i, fromTerm, last.t, last.i, toTerm, entries, rawBytes, sha256, prepared];
}

/** Nearly all have none, and one list of none is enough for half a million. */
const none: readonly Timestamp[] = [];

export function fromRow(of: SliceIndexRow): IndexedSlice {
  const [size, version, fromT, fromI, fromTerm, toT, toI, toTerm, entries, rawBytes, sha256, undecided] = of;
  return {
    ...{ size, version, entries, rawBytes, sha256 },
    from: { ts: { t: fromT, i: fromI }, t: fromTerm },
    to: { ts: { t: toT, i: toI }, t: toTerm },
    undecided: undecided.length === 0 ? none : undecided.map(([t, i]) => ({ t, i })),
  };
}

/** Whether what was seen is of the object that the listing tells of now: where it tells no version, nobody knows. */
export function isOf(
  { size, version }: Pick<IndexedSlice, 'size' | 'version'>,
  listed: { readonly size: number; readonly version?: string | undefined },
): boolean {
  return listed.version !== undefined && size === listed.size && version === listed.version;
}

type Facts = Pick<IndexedSlice, 'from' | 'to' | 'entries' | 'rawBytes' | 'undecided'>;

/** Whether two say the same of a slice. */
export function sameFacts(a: Facts, b: Facts): boolean {
  return (
    sameOpTime(a.from, b.from) &&
    sameOpTime(a.to, b.to) &&
    a.entries === b.entries &&
    a.rawBytes === b.rawBytes &&
    a.undecided.length === b.undecided.length &&
    a.undecided.every((ts, n) => compareTimestamps(ts, b.undecided[n] ?? a.from.ts) === 0)
  );
}

const secondsOfDay = 86_400;

/** `YYYY-MM-DD` of a slice, by its first entry. */
export function dayOf({ t }: Timestamp): string {
  return new Date(t * 1000).toISOString().slice(0, 10);
}

/** The slices of each day. @param slices in order */
export function byDay<Slice extends { readonly from: Timestamp }>(slices: readonly Slice[]): Map<string, Slice[]> {
  const days = Map.groupBy(slices, ({ from }) => Math.floor(from.t / secondsOfDay));
  return new Map([...days].map(([day, of]) => [dayOf({ t: day * secondsOfDay, i: 0 }), of]));
}

export interface ListedIndex {
  readonly archivePrefix: string;
  readonly day: string;
  /** Bytes. */
  readonly size: number;
}

/** @returns undefined for a key of something else */
export function parseSliceIndex({ key, size }: { key: string; size: number }): ListedIndex | undefined {
  const [, archives, archive, day] =
    /^(.*\/oplog\/)index\/([^/]+-[0-9a-f]{24}\/)(\d{4}-\d{2}-\d{2})\.ndjson$/.exec(key) ?? [];
  if (archives === undefined || archive === undefined || day === undefined) return undefined;
  return { archivePrefix: `${archives}${archive}`, day, size };
}

/** A line of the index has about as many bytes. */
const rowBytes = 180;
/** Few enough that their pages are listed quickly one after the other, and enough that hardly a page is for nothing. */
const slicesOfPiece = 4000;

/**
 * Where the listing of an archive is divided: between them lie a few thousand slices, as far as the index knows.
 * @param indexes in the order of their days
 */
export function dividingKeys(indexes: readonly ListedIndex[]): string[] {
  const keys: string[] = [];
  let slices = 0;
  let archive: string | undefined;
  for (const { archivePrefix, day, size } of indexes) {
    if (archive !== archivePrefix) slices = 0;
    archive = archivePrefix;
    if (slices >= slicesOfPiece) {
      keys.push(artifactKeys.slice(archivePrefix, { t: Date.parse(day) / 1000, i: 0 }));
      slices = 0;
    }
    slices += size / rowBytes;
  }
  return keys;
}
