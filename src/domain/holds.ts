import * as z from 'zod';
import { timestampSchema } from './timestamp.ts';

/** A beginning of an archive, in one storage: slices below `archive` that end at or before a time. */
const archivePlaceSchema = z.strictObject({
  storage: z.string(),
  /** artifactKeys.archive */
  archive: z.string(),
});

/** `holds/<run>.json`: what a run reads and nobody may prune (consistency rule 24). Gone when the run is settled. */
export const holdSchema = z.strictObject({
  schemaVersion: z.literal(1),
  run: z.string(),
  at: z.iso.datetime(),
  backups: z.array(z.strictObject({ storage: z.string(), backupId: z.string() })),
  /** Slices that end after `after`. */
  slices: z.array(archivePlaceSchema.extend({ after: timestampSchema })),
});
export type Hold = z.infer<typeof holdSchema>;

/** `holds/tombstones/<archive>/<prune>.json`: slices that end at or before `cut` are about to be deleted. */
export const tombstoneSchema = z.strictObject({
  schemaVersion: z.literal(1),
  at: z.iso.datetime(),
  ...archivePlaceSchema.shape,
  cut: timestampSchema,
});
export type Tombstone = z.infer<typeof tombstoneSchema>;
