import * as z from 'zod';
import { artifactKeys } from './names.ts';
import { formatTimestampKey, type OpTime, opTimeSchema, type Timestamp } from './timestamp.ts';

/**
 * The oplog archive of one replica set: slices below {@link artifactKeys.archive}, each named after its first entry, which
 * is the last entry of the slice before (consistency rule 8), and a record of every gap.
 */

/** Why restores cannot cross a place of the archive (consistency rule 9). */
export const gapReasonSchema = z.enum([
  /** The source forgot entries before they were archived, although the archiver ran. */
  'rolledOver',
  /** Entries that were archived are in the set's history no more. */
  'rolledBack',
  /** The set's members have another history: restored, or made anew from older data. */
  'otherHistory',
  /** An entry changes the feature compatibility version: replay does not cross it. */
  'featureCompatibilityVersionChanged',
  /** The archive was off, or its archiver did not run, until the source had forgotten entries. */
  'archivePaused',
  /** An entry of a resharding, which a shard's replay cannot carry out. */
  'resharding',
  /** Holdfast restored into the deployment. */
  'restore',
  /** A slice is missing in the storage, or damaged. */
  'objectLost',
]);
export type GapReason = z.infer<typeof gapReasonSchema>;

/**
 * `gaps/<time of after>-<reason>.json`. Restores reach every entry up to `after`, from a base before it, and every entry from
 * `before` on, from a base whose point is at or after `before`. Slices that lead on over it make the record void, unless the gap
 * lies in the set's history (a change of the feature compatibility version): no replay crosses that, whatever slices there are.
 */
export const oplogGapSchema = z.strictObject({
  schemaVersion: z.literal(1),
  reason: gapReasonSchema,
  /** The last entry before the gap. */
  after: opTimeSchema,
  /** The entry with which it goes on. Of another history, it may lie before `after` in time. */
  before: opTimeSchema,
  /** By the wall clock of who found it; for people. */
  foundAt: z.iso.datetime(),
  /** `host:port` whose oplog showed it; null when the storage did. */
  member: z.string().nullable(),
  /** What was found where, for people. */
  explanation: z.string(),
  /** `objectLost`: keys of slices that exist and must not be used. */
  damaged: z.array(z.string()).optional(),
  /** `objectLost`: up to it the slices were written again so far; left out for none. */
  filledTo: opTimeSchema.optional(),
  /** The gap is over since then: its slices were written again (`objectLost`), or were found to lead on over it. */
  filledAt: z.iso.datetime().optional(),
});
export type OplogGap = z.infer<typeof oplogGapSchema>;

/** Whether it still ends restores. */
export function isOpenGap({ filledAt }: Pick<OplogGap, 'filledAt'>): boolean {
  return filledAt === undefined;
}

/** The same gap, found again, has the same key: it is recorded once. */
export function gapKey(archivePrefix: string, gap: Pick<OplogGap, 'after' | 'reason'>): string {
  return `${artifactKeys.gaps(archivePrefix)}${formatTimestampKey(gap.after.ts)}-${gap.reason}.json`;
}

/** The replica set of an archive below {@link artifactKeys.archives}; undefined for a key of something else. */
export function parseArchiveKey(
  deployment: string,
  key: string,
): { readonly replicaSet: string; readonly replicaSetId: string; readonly prefix: string } | undefined {
  const archives = artifactKeys.archives(deployment);
  if (!key.startsWith(archives)) return undefined;
  const [, replicaSet, replicaSetId] = /^([^/]+)-([0-9a-f]{24})\//.exec(key.slice(archives.length)) ?? [];
  if (replicaSet === undefined || replicaSetId === undefined) return undefined;
  return { replicaSet, replicaSetId, prefix: artifactKeys.archive(deployment, replicaSet, replicaSetId) };
}

/** When the first entry of the slice with that key was written; undefined for what is no slice, such as a gap. */
export function parseSliceKey(archivePrefix: string, key: string): Timestamp | undefined {
  if (!key.startsWith(archivePrefix)) return undefined;
  const [, t, i] = /^(\d{10})-(\d{10})\.bson\.zst$/.exec(key.slice(archivePrefix.length)) ?? [];
  return t === undefined || i === undefined ? undefined : { t: Number(t), i: Number(i) };
}

/** What a slice's header says of its place. */
export interface SliceSpan {
  readonly key: string;
  /** Its first entry, shared with the slice before. */
  readonly from: OpTime;
  /** Its last entry, shared with the slice after. */
  readonly to: OpTime;
}

/** How long a source's oplog must still hold what is archived last: time for people to do something. */
const enoughOplogSeconds = 3600;
/** Beyond it an oplog counts as full: it forgets an entry for each that is written. */
const fullFraction = 0.9;

/**
 * How many seconds of oplog the source still holds before the last archived entry, when those are too few: an archiver that
 * stands still for so long makes a gap.
 * @param usedFraction how much of its size the oplog uses: a young one forgets nothing yet @returns undefined: long enough
 */
export function shortOplog(oldest: Timestamp, archivedTo: Timestamp, usedFraction: number): number | undefined {
  const remaining = archivedTo.t - oldest.t;
  return usedFraction >= fullFraction && remaining < enoughOplogSeconds ? remaining : undefined;
}

const firstBaseWaitMs = 60 * 60_000;
const longestBaseWaitMs = 24 * firstBaseWaitMs;

/** Whether a backup is to be started because of a gap: at once, then after an hour, two hours, four, up to a day. */
export function isBaseDue({ attempts, attemptedAt }: NonNullable<ArchiveProgress['wantsBase']>, now: Date): boolean {
  if (attemptedAt === null) return true;
  const wait = Math.min(longestBaseWaitMs, firstBaseWaitMs * 2 ** (attempts - 1));
  return Math.abs(now.getTime() - Date.parse(attemptedAt)) >= wait;
}

const stalledSchema = z.strictObject({
  since: z.iso.datetime(),
  /** When it was told last; left out before. */
  warnedAt: z.iso.datetime().optional(),
  /** For people: what was found when it began, or was told last. */
  why: z.string().optional(),
  /** Those that answer have forgotten what another may still hold: found then, at that time of the source, in seconds. */
  losing: z.strictObject({ since: z.iso.datetime(), at: z.int() }).optional(),
});
/** An archive that does not go on. */
export type Stalled = z.infer<typeof stalledSchema>;

/** Of an archive of which nothing is written yet: `archives/<deployment>/to-begin.json`. */
export const archiveToBeginSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /** Left out since a turn went on: nobody who archives may delete the document. */
  stalled: stalledSchema.optional(),
});

/**
 * How far an archive is: `archives/<deployment>/<set>-<id>.json` of the state storage, written at each turn. It saves the
 * archiver from listing the slices; the storage tells the same, and is believed where they differ.
 */
export const archiveProgressSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /** The last slice. */
  last: z.strictObject({ key: z.string(), size: z.int(), from: opTimeSchema, to: opTimeSchema }),
  /**
   * The majority commit point of the last turn: up to it, the source did nothing after `last.to` (an idle set writes an
   * empty entry every ten seconds, which is not worth an object). Restores to times between give the state at `last.to`.
   */
  checkedTo: opTimeSchema,
  /** By the archiver's clock; for people. */
  checkedAt: z.iso.datetime(),
  member: z.string(),
  /** Changes when the member's data is replaced or taken back (consistency rule 5). */
  memberData: z.string(),
  /** The source's oplog reaches back too little beyond what is archived; left out when it is long enough. */
  oplogShort: z.strictObject({ remainingSeconds: z.int(), warnedAt: z.iso.datetime() }).optional(),
  /** Turns come no further: members stand still or do not answer, or the turns fail. Left out while it goes on. */
  stalled: stalledSchema.optional(),
  /** With which entries gaps begin whose slices are to be written again, from a member that still has theirs; left out for none. */
  lost: z.array(opTimeSchema).optional(),
  /** A gap after which no base has been taken yet; left out for none. */
  wantsBase: z
    .strictObject({
      /** A base helps whose point is at or after it. */
      from: opTimeSchema,
      /** Backups that were started because of it. */
      attempts: z.int().min(0),
      /** Of the last one, by the clock of who started it. */
      attemptedAt: z.iso.datetime().nullable(),
    })
    .optional(),
});
export type ArchiveProgress = z.infer<typeof archiveProgressSchema>;
