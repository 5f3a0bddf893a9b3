import * as z from 'zod';
import { codecSchema, storedObjectSchema } from './backup-index.ts';
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
