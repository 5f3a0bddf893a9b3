import * as z from 'zod';
import { codecSchema } from './backup-index.ts';
import { sliceSummarySchema, snapshotFactsSchema } from './base.ts';
import { dataLayoutSchema } from './data-layout.ts';
import { methodSchema } from './manifest.ts';
import { backupPlanSchema, restoreRequestSchema } from './run.ts';
import { restoreEstimateSchema } from './restore-estimate.ts';
import { opTimeSchema, timestampSchema } from './timestamp.ts';
import { scratchVolumeSchema, targetVolumeSchema } from './volume-target.ts';

/** `runs/<run>/request.json`: what was asked, completed by the first state. */
export const backupRunSchema = z.strictObject({
  schemaVersion: z.literal(1),
  workflow: z.literal('backup'),
  startedAt: z.iso.datetime(),
  deployment: z.string(),
  storage: z.string(),
  method: methodSchema.nullable(),
  compression: z.strictObject({ codec: codecSchema, level: z.int() }),
  labels: z.record(z.string(), z.string()),
  requestedBy: z.string(),
});
export type BackupRun = z.infer<typeof backupRunSchema>;

export const restoreRunSchema = z.strictObject({
  schemaVersion: z.literal(1),
  workflow: z.literal('restore'),
  startedAt: z.iso.datetime(),
  requestedBy: z.string(),
  request: restoreRequestSchema,
});

export const runRequestSchema = z.discriminatedUnion('workflow', [backupRunSchema, restoreRunSchema]);

/** `requests/<sha256>.json`: created by the first run of a request; rewritten by a later one when that came to nothing. */
export const acceptedRequestSchema = z.strictObject({
  schemaVersion: z.literal(1),
  run: z.string(),
  deployment: z.string(),
  at: z.iso.datetime(),
});
export type AcceptedRequest = z.infer<typeof acceptedRequestSchema>;

/** `runs/<run>/plan.json` of a restore. */
export const restorePlanSchema = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('restore'),
  runId: z.string(),
  backupId: z.string(),
  deployment: z.string(),
  storage: z.string(),
  createdAt: z.iso.datetime(),
  /** What the lease on the target is named after: SHA-256 of its canonical name. */
  target: z.string().regex(/^[0-9a-f]{64}$/),
  targetDescription: z.string(),
  /** Of plans that were made before there was a choice: the backup's own. */
  restoreTime: timestampSchema.optional(),
  requestedBy: z.string(),
  request: restoreRequestSchema,
  /** The volume that is made, where that is the target. */
  volume: targetVolumeSchema.optional(),
  /** The volume that the worker works on, where files go to a running server. */
  scratch: scratchVolumeSchema.optional(),
  /** What that takes, as it was known when the plan was made. */
  estimate: restoreEstimateSchema.optional(),
  /** `slices`: which document names the slices of the archive that are read after the backup's own; left out for none. */
  parts: z.array(z.strictObject({ name: z.string(), slices: z.string().optional() })).min(1),
});
export type RestorePlan = z.infer<typeof restorePlanSchema>;

/** `runs/<run>/slices/<part>-<name>.json`: slices of the archive, in order, that a restore reads after the backup's own. */
export const restoreSlicesSchema = z.strictObject({
  schemaVersion: z.literal(1),
  slices: z.array(sliceSummarySchema.omit({ crc32: true }).extend({ storage: z.string() })),
});
export type RestoreSlices = z.infer<typeof restoreSlicesSchema>;

export const planSchema = z.discriminatedUnion('kind', [backupPlanSchema, restorePlanSchema]);
export type Plan = z.infer<typeof planSchema>;

/** `runs/<run>/tasks/<attempt>.json`: what one worker is started for. The token is a capability of the run, no secret of the deployment. */
export const workerTaskSchema = z.strictObject({
  schemaVersion: z.literal(1),
  runId: z.string(),
  command: z.enum(['dump', 'copy-files', 'restore']),
  part: z.string(),
  /** 1 for the first worker of the part, counted over the whole run: it names the packs. */
  attempt: z.int().min(1),
  taskToken: z.string(),
  fence: z.int().min(1),
  startedAt: z.iso.datetime(),
});
export type WorkerTask = z.infer<typeof workerTaskSchema>;

/** What was known before the snapshot call: `runs/<run>/snapshots/<part>.start.json`. */
export const snapshotStartSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /** Rollback id and initial sync id (consistency rule 5); null, as the optimes, for a standalone. */
  identity: z.string().nullable(),
  process: z.string(),
  captureFrom: opTimeSchema.nullable(),
  applyFrom: opTimeSchema.nullable(),
  /** The file of the oplog within the data directory: by it a copy is known to be of this member. */
  oplogFile: z.string().optional(),
  at: z.iso.datetime(),
});
export type SnapshotStart = z.infer<typeof snapshotStartSchema>;

/** `runs/<run>/snapshots/<part>.json`: the call has returned, and the point is final. */
export const memberSnapshotSchema = z.strictObject({
  schemaVersion: z.literal(1),
  member: z.string(),
  start: snapshotStartSchema,
  taken: snapshotFactsSchema.omit({ completedAt: true, lockSeconds: true, consistency: true }),
  consistency: snapshotFactsSchema.shape.consistency,
  lockSeconds: z.number().min(0).nullable(),
  /** Null while the snapshot is not whole. */
  completed: z
    .strictObject({
      at: z.iso.datetime(),
      layout: dataLayoutSchema.nullable(),
      snapshots: snapshotFactsSchema.shape.snapshots,
    })
    .nullable(),
});
export type MemberSnapshot = z.infer<typeof memberSnapshotSchema>;

/** `runs/<run>/errors/<state>-<attempt>.json`: one try that failed, also one that a retry made good. */
export const stepErrorSchema = z.strictObject({
  schemaVersion: z.literal(1),
  state: z.string(),
  attempt: z.int().min(1),
  at: z.iso.datetime(),
  error: z.strictObject({ name: z.string(), code: z.string(), message: z.string(), next: z.string() }),
  details: z.record(z.string(), z.unknown()),
  /** Of a defect only. */
  stack: z.string().nullable(),
});
export type StepError = z.infer<typeof stepErrorSchema>;

/** `runs/<run>/settled.json`: nothing is left to do for the run. */
export interface Settled {
  readonly schemaVersion: 1;
  /** ISO 8601. */
  readonly at: string;
  readonly deletedObjects: number;
}

/** `runs/<run>/left-collections.json`: what the sweep is to delete, of a run that may be settled. */
export interface LeftCollections {
  readonly schemaVersion: 1;
  /** ISO 8601. */
  readonly at: string;
  readonly reason: string;
}

/** `runs/<run>/swept-collections.json`: nothing is left of them, or nobody tries any more. */
export interface SweptCollections {
  readonly schemaVersion: 1;
  /** ISO 8601. */
  readonly at: string;
}

/** `runs/<run>/workers/<attempt>.json`: a worker process of this machine, not to be taken for a later one of the same id. */
export const workerProcessSchema = z.strictObject({
  schemaVersion: z.literal(1),
  pid: z.int().positive(),
  processStart: z.string().min(1),
});
