import * as z from 'zod';
import { methodSchema } from '../../domain/manifest.ts';
import { backupRequestSchema, progressSchema, restoreRequestSchema, teach } from '../../domain/run.ts';
import { stepErrorSchema } from '../../domain/run-documents.ts';
import { timestampSchema } from '../../domain/timestamp.ts';
import type { BackupSummary, RunStatus } from '../ports/holdfast-client.ts';

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

const failureSchema = z
  .strictObject({ name: z.string(), code: z.string(), message: z.string(), next: z.string() })
  .meta({ id: 'Failure' });

const statusSchema: z.ZodType<RunStatus> = z.strictObject({
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
});
export const runSchema = statusSchema.meta({ id: 'Run' });
export const runListSchema = z.strictObject({ runs: z.array(runSchema) }).meta({ id: 'RunList' });

const summarySchema: z.ZodType<BackupSummary> = z.strictObject({
  backupId: z.string(),
  deployment: z.string(),
  storage: z.string(),
  method: methodSchema,
  restoreTime: timestampSchema.nullable(),
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  storedBytes: z.int(),
  rawBytes: z.int(),
  documents: z.int(),
  warnings: z.int().meta({ description: 'How many; the backup itself says which.' }),
});
export const backupListSchema = z
  .strictObject({ backups: z.array(summarySchema.meta({ id: 'BackupSummary' })) })
  .meta({ id: 'BackupList' });

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
