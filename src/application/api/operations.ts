import * as z from 'zod';
import type { ApiOperation } from '../../domain/api-routes.ts';
import type { ErrorName } from '../../domain/error-registry.ts';
import { manifestSchema } from '../../domain/manifest.ts';
import {
  backupListSchema,
  backupOrderSchema,
  prunedSchema,
  recoveryWindowSchema,
  restoreOrderSchema,
  retriedRunSchema,
  runListSchema,
  runSchema,
  startedRunSchema,
} from './schemas.ts';

/** What an operation of the HTTP API takes and answers: checked at each request, and what docs/openapi.json is made of. */
export interface Operation {
  readonly summary: string;
  readonly description?: string;
  readonly path: z.ZodObject;
  readonly query: z.ZodObject;
  /** Left out where a request has no body. One that is not sent counts as `{}`. */
  readonly body?: z.ZodObject;
  /** Whether the header Idempotency-Key counts. */
  readonly repeatable?: true;
  readonly status: 200 | 202;
  readonly answer: z.ZodType;
  /** Beside wrong input, a stage that has no time now, and defects. */
  readonly errors: readonly ErrorName[];
}

const nothing = z.strictObject({});
const deployment = z.strictObject({
  deployment: z.string().meta({ description: 'Name of a deployment of the config.', examples: ['orders'] }),
});
const runId = z.strictObject({ runId: z.string().meta({ description: 'Id of a run: the name of its execution.' }) });
const listed = z.strictObject({
  storage: z.string().optional().meta({ description: 'Only those in this storage.' }),
  since: z.iso.datetime({ offset: true }).optional().meta({ description: 'Only those taken since.' }),
});

export const operations = {
  startBackup: {
    summary: 'Start a backup',
    description:
      'Answers when the workflow is started; GET /runs/{runId} tells how it goes. A request that is sent again with its Idempotency-Key is answered with the same run, however that ended.',
    path: deployment,
    query: nothing,
    body: backupOrderSchema,
    repeatable: true,
    status: 202,
    answer: startedRunSchema,
    errors: ['UnknownDeployment', 'UnknownStorage'],
  },
  listBackups: {
    summary: 'List the backups of a deployment, newest first',
    path: deployment,
    query: listed,
    status: 200,
    answer: backupListSchema,
    errors: ['UnknownDeployment', 'UnknownStorage'],
  },
  listAllBackups: {
    summary: 'List all backups in the storages, newest first',
    path: nothing,
    query: listed,
    status: 200,
    answer: backupListSchema,
    errors: ['UnknownStorage'],
  },
  describeBackup: {
    summary: 'Show what a backup holds, how it was taken and why so',
    description: 'The manifest as it is stored, compared with its seal.',
    path: z.strictObject({ backupId: z.string().meta({ examples: ['20261122T101530Z-logical-k3f9'] }) }),
    query: nothing,
    status: 200,
    answer: manifestSchema.meta({ id: 'Backup' }),
    errors: ['UnknownBackup', 'VerificationFailed', 'UnsupportedFormat'],
  },
  showRecoveryWindow: {
    summary: 'Show to which times a deployment can be restored, and why not to the others',
    path: deployment,
    query: z.strictObject({
      at: z.string().optional().meta({
        description: 'Also what serves this time: 2026-11-22T10:15:30Z, 1763806530:4 or latest.',
      }),
    }),
    status: 200,
    answer: recoveryWindowSchema,
    errors: ['UnknownDeployment'],
  },
  prune: {
    summary: 'Delete what retention lets go of oplog archives, or say what would go',
    description:
      'Always a beginning of an archive, never a slice that a restore to a promised time reads. A rule does it once a day.',
    path: nothing,
    query: z.strictObject({
      deployment: z.string().optional().meta({ description: 'Only of this deployment.' }),
      dryRun: z.enum(['true', 'false']).default('false').meta({ description: 'true: only say what would go.' }),
    }),
    status: 200,
    answer: prunedSchema,
    errors: ['UnknownDeployment', 'VerificationFailed', 'UnsupportedFormat', 'CorruptObject'],
  },
  startRestore: {
    summary: 'Restore a backup to a running server',
    description:
      'Answers when the workflow is started; backup and target are checked by its first state, and GET /runs/{runId} tells what they lack. The target carries a mark until the run is complete. A request that is sent again with its Idempotency-Key is answered with the same run, however that ended.',
    path: deployment,
    query: nothing,
    body: restoreOrderSchema,
    repeatable: true,
    status: 202,
    answer: startedRunSchema,
    errors: ['UnknownDeployment', 'UnknownStorage'],
  },
  listRuns: {
    summary: 'List the newest runs',
    path: nothing,
    query: nothing,
    status: 200,
    answer: runListSchema,
    errors: [],
  },
  showRun: {
    summary: 'Show how a run goes, or went',
    path: runId,
    query: nothing,
    status: 200,
    answer: runSchema,
    errors: ['UnknownRun'],
  },
  cancelRun: {
    summary: 'Ask a run to stop and to clean up',
    description:
      'Answers with the run when the request is durable; the run ends as cancelled once it has cleaned up. A run that has ended stays as it is.',
    path: runId,
    query: nothing,
    status: 202,
    answer: runSchema,
    errors: ['UnknownRun'],
  },
  retryRun: {
    summary: 'Ask again for what a run that came to nothing was asked for',
    description:
      'For a run that failed, was cancelled or was interrupted, but for a restore that overwrites. The new run begins at nothing. A run has one retry: asked again, it is answered with the same new run, however that ended; that one can be retried in turn.',
    path: runId,
    query: nothing,
    status: 202,
    answer: retriedRunSchema,
    errors: ['UnknownRun'],
  },
} as const satisfies Record<ApiOperation, Operation>;
