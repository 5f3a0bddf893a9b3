import * as z from 'zod';
import { objectLockSchema } from './object-lock.ts';
import { baseSchema, sliceSummarySchema } from './base.ts';
import { opTimeSchema, timestampSchema } from './timestamp.ts';
import { topologyPartSchema } from './topology.ts';

export const methodSchema = z.enum(['snapshot', 'physical', 'logical']);
export type Method = z.infer<typeof methodSchema>;

/** Why a member was taken or refused; written on the backup. */
export const memberVerdictSchema = z.strictObject({ host: z.string(), eligible: z.boolean(), reason: z.string() });

export const manifestPartSchema = z.strictObject({
  name: z.string(),
  topology: topologyPartSchema,
  member: z.string(),
  memberReason: z.string(),
  memberVerdicts: z.array(memberVerdictSchema),
  base: baseSchema,
  /** The moment the base stands for: the optime after its last document was read, or after the snapshot call. */
  point: opTimeSchema.nullable(),
  /** Null, as the point, for a standalone: it has none. */
  oplog: z.strictObject({ from: opTimeSchema, to: opTimeSchema, slices: z.array(sliceSummarySchema) }).nullable(),
});
export type ManifestPart = z.infer<typeof manifestPartSchema>;

/** `manifest.json`: written last; a backup exists only when its manifest does. */
export const manifestSchema = z.strictObject({
  schemaVersion: z.literal(1),
  backupId: z.string(),
  deployment: z.string(),
  kind: z.enum(['standalone', 'replicaSet', 'sharded']),
  method: methodSchema,
  methodReason: z.string(),
  storage: z.string(),
  run: z.string(),
  fence: z.int(),
  requestedBy: z.string(),
  labels: z.record(z.string(), z.string()),
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  /** Null for a standalone, whose restore time is its snapshot's. */
  restoreTime: timestampSchema.nullable(),
  restoreTimeWall: z.iso.datetime().nullable(),
  serverVersion: z.string(),
  featureCompatibilityVersion: z.string(),
  toolVersion: z.string(),
  usersAndRoles: z.boolean(),
  /** Left out where the storage locks nothing. */
  objectLock: objectLockSchema.optional(),
  warnings: z.array(z.string()),
  totals: z.strictObject({
    /** Null where nobody has counted: a physical base is files. */
    namespaces: z.int().nullable(),
    documents: z.int().nullable(),
    rawBytes: z.int(),
    storedBytes: z.int(),
    oplogEntries: z.int(),
    seconds: z.number(),
  }),
  parts: z.array(manifestPartSchema).min(1),
  /** SHA-256 of the canonical JSON of everything above. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Manifest = z.infer<typeof manifestSchema>;
