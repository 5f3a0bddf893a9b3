import type { ApiOperation } from '../../src/domain/api-routes.ts';
import type { FunctionName } from '../../statemachines/manifest.ts';

/** What a function may do beside reading the state; what it may read and write is in its row of function-permissions.ts. */
export interface FunctionEntry {
  readonly folder: string;
  readonly description: string;
  /** Seconds; less than the state's own limit, so that a function that hangs ends under its own name. At most 900. */
  readonly timeoutSeconds: number;
  /** MiB; Lambda gives computing power in proportion. */
  readonly memory: number;
  /** Speaks MongoDB, so it is in the VPC. */
  readonly database: boolean;
  /** Looks up names of members, which may have addresses only in the VPC. */
  readonly names?: true;
  /** Reads or writes backups, so it is in the VPC when a storage is on a server of the user's own. */
  readonly artifacts?: true;
}

/** Half a million slices, those of a busy year, are a gigabyte while they are looked at. */
const memoryForArchives = 2048;

/** The functions of the state machines. */
export const stepFunctions = {
  InspectDeployment: {
    folder: 'inspect-deployment',
    description: 'First state of a backup: checks the input, looks at the deployment',
    ...{ timeoutSeconds: 170, memory: 1024, database: true },
  },
  PlanBackup: {
    folder: 'plan-backup',
    description: 'Chooses method, member and storage',
    ...{ timeoutSeconds: 55, memory: 512, database: false, names: true },
  },
  AcquireLease: {
    folder: 'acquire-lease',
    description: 'Takes the lease of a deployment or a target',
    ...{ timeoutSeconds: 55, memory: 512, database: false },
  },
  LaunchWorker: {
    folder: 'launch-worker',
    description: 'Starts the Fargate task that does the work of a state',
    ...{ timeoutSeconds: 180, memory: 512, database: false },
  },
  SnapshotMember: {
    folder: 'snapshot-member',
    description: 'Takes the snapshot of a member, between two optimes',
    // It must not be ended while a member is locked: see lockBegunWithin in src/domain/member-lock.ts.
    ...{ timeoutSeconds: 600, memory: 1024, database: true },
  },
  EnsureUnlocked: {
    folder: 'ensure-unlocked',
    description: 'Gives back the lock that a snapshot has left on a member, also as its watchdog',
    ...{ timeoutSeconds: 400, memory: 512, database: true },
  },
  AwaitSnapshot: {
    folder: 'await-snapshot',
    description: 'Looks whether a snapshot is whole',
    ...{ timeoutSeconds: 55, memory: 512, database: false },
  },
  DeleteSnapshot: {
    folder: 'delete-snapshot',
    description: 'Deletes a snapshot whose files are copied',
    ...{ timeoutSeconds: 55, memory: 512, database: false },
  },
  CaptureOplog: {
    folder: 'capture-oplog',
    description: 'Captures the oplog of every part to the restore time',
    ...{ timeoutSeconds: 830, memory: 1769, database: true },
  },
  CompleteBackup: {
    folder: 'complete-backup',
    description: 'Verifies what is stored and writes the manifest',
    ...{ timeoutSeconds: 900, memory: 1024, database: false, artifacts: true },
  },
  PlanRestore: {
    folder: 'plan-restore',
    description: 'First state of a restore: finds the backup, checks its objects and the target',
    ...{ timeoutSeconds: 830, memory: memoryForArchives, database: true },
  },
  CompleteRestore: {
    folder: 'complete-restore',
    description: 'Ends a restore whose parts are verified',
    ...{ timeoutSeconds: 830, memory: 512, database: true },
  },
  ReleaseLease: {
    folder: 'release-lease',
    description: 'Releases the lease of a run',
    ...{ timeoutSeconds: 55, memory: 512, database: false },
  },
  PublishOutcome: {
    folder: 'publish-outcome',
    description: 'Publishes how a run ended',
    ...{ timeoutSeconds: 55, memory: 512, database: false },
  },
  RecordFailure: {
    folder: 'record-failure',
    description: 'Decides the outcome of a run that failed, and cleans up',
    ...{ timeoutSeconds: 830, memory: 1024, database: true },
  },
  FindReplicaSets: {
    folder: 'find-replica-sets',
    description: 'Finds the replica sets whose oplog is archived',
    ...{ timeoutSeconds: 55, memory: 512, database: true },
  },
  ArchiveOplog: {
    folder: 'archive-oplog',
    description: 'Archives what a replica set wrote since the last minute',
    ...{ timeoutSeconds: 55, memory: 1024, database: true },
  },
  StartNewBase: {
    folder: 'start-new-base',
    description: 'Starts a backup because of a gap in the oplog archive',
    ...{ timeoutSeconds: 55, memory: 512, database: false, artifacts: true },
  },
} as const satisfies Record<FunctionName, FunctionEntry>;

/** The functions that rules start. */
export const ruleFunctions = {
  SweepRuns: {
    folder: 'sweep-runs',
    description: 'Every 15 minutes: finishes what runs left that are over',
    ...{ timeoutSeconds: 840, memory: 1024, database: true },
  },
  SettleEndedRun: {
    folder: 'settle-ended-run',
    description: 'After an execution was stopped, failed or ran out of time: cleans up at once',
    ...{ timeoutSeconds: 840, memory: 1024, database: true },
  },
  CheckArchives: {
    folder: 'check-archives',
    description: 'Every hour: looks at slices of the oplog archives, at each once a day',
    ...{ timeoutSeconds: 840, memory: memoryForArchives, database: false, artifacts: true },
  },
  PruneArchives: {
    folder: 'prune-archives',
    description: 'Once a day: deletes slices that no restore to a promised time needs',
    ...{ timeoutSeconds: 840, memory: memoryForArchives, database: false, artifacts: true },
  },
  ReportStoppedTask: {
    folder: 'report-stopped-task',
    description: 'After a worker task stopped without an answer: answers for it',
    ...{ timeoutSeconds: 55, memory: 512, database: false },
  },
} as const satisfies Record<string, FunctionEntry>;

const api = { timeoutSeconds: 29, memory: 1024, database: false } as const;

/** The functions behind the routes of the API: who may read can't start anything, who starts backups starts no restores. */
export const apiFunctions = {
  StartBackup: { folder: 'start-backup', description: 'API: starts a backup', ...api },
  StartRestore: { folder: 'start-restore', description: 'API: starts a restore', ...api },
  ListBackups: { folder: 'list-backups', description: 'API: lists backups', ...api, artifacts: true },
  DescribeBackup: { folder: 'describe-backup', description: 'API: shows a backup', ...api, artifacts: true },
  ShowRecoveryWindow: {
    folder: 'show-recovery-window',
    description: 'API: shows to which times a deployment can be restored',
    ...{ ...api, memory: memoryForArchives, artifacts: true },
  },
  Prune: {
    folder: 'prune',
    description: 'API: deletes what retention lets go',
    ...{ ...api, memory: memoryForArchives, artifacts: true },
  },
  ShowRuns: { folder: 'show-runs', description: 'API: shows how runs go', ...api },
  CancelRun: { folder: 'cancel-run', description: 'API: asks a run to stop', ...api },
  RetryRun: { folder: 'retry-run', description: 'API: asks again for what a run did not bring about', ...api },
} as const satisfies Record<string, FunctionEntry>;

/** Which function does each operation. */
export const operationFunctions = {
  startBackup: 'StartBackup',
  startRestore: 'StartRestore',
  listBackups: 'ListBackups',
  listAllBackups: 'ListBackups',
  describeBackup: 'DescribeBackup',
  showRecoveryWindow: 'ShowRecoveryWindow',
  prune: 'Prune',
  listRuns: 'ShowRuns',
  showRun: 'ShowRuns',
  cancelRun: 'CancelRun',
  retryRun: 'RetryRun',
} as const satisfies Record<ApiOperation, keyof typeof apiFunctions>;

export const allFunctions: Readonly<
  Record<keyof typeof stepFunctions | keyof typeof ruleFunctions | keyof typeof apiFunctions, FunctionEntry>
> = { ...stepFunctions, ...ruleFunctions, ...apiFunctions };
export type AnyFunctionName = keyof typeof allFunctions;
