import * as z from 'zod';
import { codecSchema, indexFrameSchema, indexNamespaceSchema, indexPackSchema } from './backup-index.ts';
import { opTimeSchema } from './timestamp.ts';

/**
 * The lines of `runs/<run>/checkpoints/<part>/<base>/<n>.ndjson.zst`: how far a base has come, so that a later attempt
 * goes on (docs/developer-guide/formats.md). Records are immutable and read in order; what a line says replaces what
 * earlier ones said.
 */
const count = z.int().min(0);
const uuid = z.string().regex(/^[0-9a-f]{32}$/);

/** The first line of every record: what the member was after the last document of its frames had been read. */
export const checkpointMemberSchema = z.strictObject({
  kind: z.literal('member'),
  schemaVersion: z.literal(1),
  record: z.int().min(1),
  /** Of the worker that wrote the record. */
  attempt: z.int().min(1),
  /** `hello.topologyVersion.processId`: another one after every restart. */
  process: z.string(),
  /** What the member had applied: no document of the base is newer. */
  seen: opTimeSchema,
  /** Whether the member's own recovery, after a crash, keeps the RecordIds of everything that was there when the base began. */
  durable: z.boolean(),
});
export type CheckpointMember = z.infer<typeof checkpointMemberSchema>;

/** Once, in the first record: which base this is. */
export const checkpointBaseSchema = z.strictObject({
  kind: z.literal('base'),
  backupId: z.string(),
  part: z.string(),
  codec: codecSchema,
  /** `host:port`. */
  member: z.string(),
  replicaSetId: z.string(),
  /** Rollback id and initial sync id (consistency rule 5). */
  identity: z.string(),
  captureFrom: opTimeSchema,
  applyFrom: opTimeSchema,
  startedAt: z.iso.datetime(),
});
export type CheckpointBase = z.infer<typeof checkpointBaseSchema>;

/** In the first record: the catalog as it was when the base began. */
export const checkpointNamespaceSchema = indexNamespaceSchema
  .pick({ ns: true, type: true, uuid: true, options: true })
  .extend({
    kind: z.literal('namespace'),
  });

/** A frame that is in a stored pack. */
export const checkpointFrameSchema = indexFrameSchema.omit({ ns: true }).extend({
  uuid,
  /** Its place among the frames of its collection, from 0. */
  ordinal: count,
  /** The server's resume token behind the frame's last document, as BSON in base64; null within a batch. */
  position: z.base64().nullable(),
});

/** The collection is read again behind its first `keep` frames: what was written of later ones is void. */
export const checkpointRescanSchema = z.strictObject({ kind: z.literal('rescan'), uuid, keep: count });

/** The collection was read to its end, into so many frames. */
export const checkpointScannedSchema = indexNamespaceSchema
  .pick({ indexes: true, unfinishedIndexes: true })
  .extend({ kind: z.literal('scanned'), uuid, frames: count });

export const checkpointLineSchema = z.discriminatedUnion('kind', [
  checkpointMemberSchema,
  checkpointBaseSchema,
  checkpointNamespaceSchema,
  indexPackSchema,
  checkpointFrameSchema,
  checkpointRescanSchema,
  checkpointScannedSchema,
]);
export type CheckpointLine = z.infer<typeof checkpointLineSchema>;
export type CheckpointFrame = z.infer<typeof checkpointFrameSchema>;
