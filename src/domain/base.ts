import * as z from 'zod';
import { codecSchema, storedObjectSchema } from './backup-index.ts';
import { dataLayoutSchema } from './data-layout.ts';
import { opTimeSchema } from './timestamp.ts';

/** What a slice's header says; the first entry of a slice is the last of the one before (consistency rule 8). */
export const sliceSummarySchema = z.strictObject({
  key: z.string(),
  from: opTimeSchema,
  to: opTimeSchema,
  entries: z.int().min(1),
  rawBytes: z.int().min(0),
  size: z.int().min(0),
  crc32: z.string(),
});
export type SliceSummary = z.infer<typeof sliceSummarySchema>;

/** A collection as the manifest shows it to people; the exact specs are in the index. */
export const namespaceSummarySchema = z.strictObject({
  ns: z.string(),
  type: z.enum(['collection', 'view', 'timeseries']),
  uuid: z.string().nullable(),
  documents: z.int().nullable(),
  rawBytes: z.int().nullable(),
  indexes: z.array(z.string()),
});

/** What a logical worker hands over when its base is complete: `runs/<run>/bases/<part>.json`. */
export const logicalBaseSchema = z.strictObject({
  schemaVersion: z.literal(1),
  method: z.literal('logical'),
  attempt: z.int().min(1),
  member: z.string(),
  codec: codecSchema,
  index: storedObjectSchema.extend({ sha256: z.string() }),
  packs: z.array(storedObjectSchema),
  namespaces: z.array(namespaceSummarySchema),
  documents: z.int(),
  rawBytes: z.int(),
  storedBytes: z.int(),
  /** Where capture began: consistency rule 6. */
  captureFrom: opTimeSchema,
  /**
   * The majority point before the base's first read: every entry at or before it is in the base. Replay may begin after
   * it; what was captured before it is there for the operations of transactions that end later.
   */
  applyFrom: opTimeSchema,
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  /** What was unusual while it was read, for people; none of it concerns what the base holds. */
  warnings: z.array(z.string()).optional(),
});
export type LogicalBase = z.infer<typeof logicalBaseSchema>;

/** What is known of the snapshot that a base was taken from, or is. */
export const snapshotFactsSchema = z.strictObject({
  type: z.enum(['directory', 'ebs']),
  /** One for each volume; `id` is the path of the copy, or snap-…; `bytes` of the volume or of the copied files. */
  snapshots: z.array(z.strictObject({ id: z.string(), volume: z.string(), bytes: z.int().min(0).nullable() })).min(1),
  /** Of the volume that holds the data directory: xfs, ext4; null where nobody mounts it. */
  filesystem: z.string().nullable(),
  /** The data directory within that volume; empty for its root. */
  dataPath: z.string(),
  /** `locked`: nobody wrote meanwhile. `crash`: all at one instant, as after a power failure; recovered before use. */
  consistency: z.enum(['locked', 'crash']),
  /** The snapshot call, and when everything was there. */
  takenAt: z.iso.datetime(),
  completedAt: z.iso.datetime(),
  /** Of EBS snapshots: where they are. */
  account: z.string().optional(),
  region: z.string().optional(),
  /** How long the member was locked, in seconds; null when it was not. */
  lockSeconds: z.number().min(0).nullable(),
});

export type SnapshotFacts = z.infer<typeof snapshotFactsSchema>;

/** The files of a data directory, in packs. Of use only when recovered by the server itself, with the captured oplog. */
export const physicalBaseSchema = z.strictObject({
  schemaVersion: z.literal(1),
  method: z.literal('physical'),
  attempt: z.int().min(1),
  member: z.string(),
  codec: codecSchema,
  /** Its lines are those of `fileIndexLineSchema`. */
  index: storedObjectSchema.extend({ sha256: z.string() }),
  packs: z.array(storedObjectSchema),
  layout: dataLayoutSchema,
  /** The snapshot that was read; deleted since. */
  snapshot: snapshotFactsSchema,
  files: z.int().min(0),
  rawBytes: z.int().min(0),
  storedBytes: z.int().min(0),
  /** Where capture began: not after the last entry of the copy's own oplog. */
  captureFrom: opTimeSchema,
  /** The majority point before the snapshot. */
  applyFrom: opTimeSchema,
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  warnings: z.array(z.string()).optional(),
});
export type PhysicalBase = z.infer<typeof physicalBaseSchema>;

/** A snapshot that is kept: nothing of it is in the artifact storage. */
export const snapshotBaseSchema = z.strictObject({
  schemaVersion: z.literal(1),
  method: z.literal('snapshot'),
  member: z.string(),
  snapshot: snapshotFactsSchema,
  /** Null where nobody could look into the snapshot. */
  layout: dataLayoutSchema.nullable(),
  rawBytes: z.int().min(0),
  /** As of a physical base; null for a standalone, which has no oplog. */
  captureFrom: opTimeSchema.nullable(),
  applyFrom: opTimeSchema.nullable(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  warnings: z.array(z.string()).optional(),
});

export type SnapshotBase = z.infer<typeof snapshotBaseSchema>;

/** `runs/<run>/bases/<part>.json`, and the part's base in the manifest. */
export const baseSchema = z.discriminatedUnion('method', [logicalBaseSchema, physicalBaseSchema, snapshotBaseSchema]);
export type Base = z.infer<typeof baseSchema>;
