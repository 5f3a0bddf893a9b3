import * as z from 'zod';
import { backupRequestSchema, progressSchema, restoreRequestSchema, teach } from '../../domain/run.ts';
import { stepErrorSchema } from '../../domain/run-documents.ts';
import { timestampSchema } from '../../domain/timestamp.ts';
import type { BackupSummary, PrunedArchive, RecoveryWindowReport, RunStatus } from '../ports/holdfast-client.ts';

/** What requests and answers of the HTTP API hold. `meta({ id })` names a component of docs/openapi.json. */

/** Who asks is known from the signature of the request, the deployment from its path, the key from its header. */
const { shape: backupShape } = backupRequestSchema.omit({
  ...{ deployment: true, requestedBy: true, idempotencyKey: true, Comment: true },
});
export const backupOrderSchema = z
  .strictObject(backupShape, { error: teach(Object.keys(backupShape), { method: 'logical' }) })
  .meta({ id: 'BackupOrder' });

const secretArn = z.string().regex(/^arn:[\w-]+:secretsmanager:/, 'expected the ARN of a secret of Secrets Manager');

const restoreShape = {
  ...restoreRequestSchema.omit({ deployment: true, requestedBy: true, Comment: true }).shape,
  backup: z.string().optional().meta({ description: 'Id of a backup; the newest of the deployment when left out.' }),
  credentials: secretArn.optional().meta({ description: 'Of the target; those of the config when left out.' }),
};
export const restoreOrderSchema = z
  .strictObject(restoreShape, {
    error: teach(Object.keys(restoreShape), { to: 'mongodb://restored-1.internal:27017/' }),
  })
  .meta({ id: 'RestoreOrder' });

const workflowSchema = z.enum(['backup', 'restore']);

export const startedRunSchema = z
  .strictObject({ runId: z.string(), workflow: workflowSchema, deployment: z.string() })
  .meta({ id: 'StartedRun' });

export const retriedRunSchema = z
  .strictObject({
    runId: z.string().meta({ description: 'Of the new run.' }),
    workflow: workflowSchema,
    retryOf: z.string().meta({ description: 'Id of the run that came to nothing.' }),
  })
  .meta({ id: 'RetriedRun' });

const failureSchema = z
  .strictObject({ name: z.string(), code: z.string(), message: z.string(), next: z.string() })
  .meta({ id: 'Failure' });

const statusSchema = z.strictObject({
  runId: z.string(),
  workflow: workflowSchema,
  deployment: z.string().nullable(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  status: z.enum(['running', 'succeeded', 'failed', 'cancelled', 'duplicate', 'interrupted']),
  state: z.string().nullable().meta({ description: 'The state that the workflow is in, or ended in.' }),
  progress: z.array(progressSchema),
  lastFailure: stepErrorSchema
    .pick({ state: true, attempt: true, at: true })
    .extend({ error: failureSchema })
    .exactOptional()
    .meta({ description: 'The try that failed last, while the run waits for its next one.' }),
  output: z.unknown().meta({ description: 'Of the execution, once the run has succeeded; else null.' }),
  error: failureSchema.nullable(),
}) satisfies z.ZodType<RunStatus>;
export const runSchema = statusSchema.meta({ id: 'Run' });
export const runListSchema = z.strictObject({ runs: z.array(runSchema) }).meta({ id: 'RunList' });

const summarySchema = z.strictObject({
  backupId: z.string(),
  deployment: z.string(),
  storage: z.string(),
  method: z.string(),
  restoreTime: timestampSchema.nullable(),
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  storedBytes: z.int(),
  rawBytes: z.int(),
  documents: z.int().nullable().meta({ description: 'Null for a copy of files: nobody has counted.' }),
  warnings: z.int().meta({ description: 'How many; the backup itself says which.' }),
}) satisfies z.ZodType<BackupSummary>;
export const backupListSchema = z
  .strictObject({ backups: z.array(summarySchema.meta({ id: 'BackupSummary' })) })
  .meta({ id: 'BackupList' });

const rangeSchema = z.strictObject({ from: timestampSchema, to: timestampSchema });
const holeSchema = rangeSchema.extend({
  reason: z.string().meta({ description: 'For people.' }),
  gaps: z.array(
    z.strictObject({
      ...{ reason: z.string(), after: timestampSchema, before: timestampSchema },
      ...{ foundAt: z.iso.datetime(), explanation: z.string() },
    }),
  ),
});
const servingSchema = z
  .strictObject({
    time: timestampSchema,
    backup: z
      .strictObject({ backupId: z.string(), storage: z.string(), method: z.string(), point: timestampSchema })
      .nullable(),
    slices: z.array(rangeSchema.extend({ storage: z.string(), key: z.string() })),
  })
  .meta({
    description:
      'What a restore to the time that was asked for would read; backup is null when it can’t be restored to.',
  });
const stalledSchema = z.strictObject({ since: z.iso.datetime(), why: z.string() });
const windowSchema = z.strictObject({
  deployment: z.string(),
  now: z.iso.datetime(),
  stalled: stalledSchema.exactOptional().meta({
    description: 'Nothing is archived yet, and turns fail, long enough that it was told; left out where they do not.',
  }),
  replicaSets: z.array(
    z.strictObject({
      replicaSet: z.string(),
      replicaSetId: z.string().nullable(),
      ranges: z.array(rangeSchema),
      holes: z.array(holeSchema),
      unreadable: z
        .array(z.strictObject({ storage: z.string(), key: z.string(), from: timestampSchema, reason: z.string() }))
        .meta({ description: 'Slices that can’t be read, as long as no gap was recorded for them.' }),
      stalled: stalledSchema.exactOptional().meta({
        description: 'The archiver comes no further, long enough that it was told; left out while it goes on.',
      }),
      latest: timestampSchema.nullable(),
      rpoSeconds: z.number().nullable().meta({
        description:
          'What would be lost now. Negative: not known, because the time of the replica set is so far ahead of the clock here.',
      }),
      backups: z.int(),
      slices: z.int(),
      archivedBytes: z.int(),
      serving: servingSchema.exactOptional(),
    }),
  ),
}) satisfies z.ZodType<RecoveryWindowReport>;
export const recoveryWindowSchema = windowSchema.meta({ id: 'RecoveryWindow' });

const prunedArchiveSchema = z.strictObject({
  ...{ deployment: z.string(), replicaSet: z.string(), replicaSetId: z.string(), storage: z.string() },
  promisedFrom: timestampSchema.meta({ description: 'Every later time that could be restored to still can.' }),
  slices: z.int(),
  bytes: z.int(),
  upTo: timestampSchema.nullable().meta({ description: 'The last entry of what went; null for nothing.' }),
  kept: z.int(),
}) satisfies z.ZodType<PrunedArchive>;
export const prunedSchema = z
  .strictObject({ dryRun: z.boolean(), pruned: z.array(prunedArchiveSchema) })
  .meta({ id: 'Pruned' });

/** RFC 9457. */
export const problemSchema = z
  .strictObject({
    type: z.string().meta({ examples: ['urn:holdfast:error:hf-1003'] }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().meta({ description: 'Of docs/errors.md.', examples: ['HF-1003'] }),
    name: z.string().meta({ examples: ['UnknownDeployment'] }),
    next: z.string().meta({ description: 'What to do next.' }),
    requestId: z.string().meta({ description: 'Of the request, in the access log and in the log of the function.' }),
  })
  .meta({ id: 'Problem' });
