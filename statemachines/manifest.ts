import type { ErrorName } from '../src/domain/error-registry.ts';

/**
 * What the state machine files refer to: handwritten, and compared with them by test/statemachines/. `${Name}` in a file
 * is a function of this list; a test holds each Retry against the registry by the errors listed here.
 */
interface FunctionEntry {
  readonly does: string;
  /** The errors of docs/errors.md that the function, or the worker that it starts, can end with, besides Cancelled, InvalidInput and Internal. */
  readonly errors: readonly ErrorName[];
}

export const functions = {
  InspectDeployment: {
    does: 'copies the configuration, completes the request and looks at the deployment',
    errors: [
      'UnknownDeployment',
      'UnknownStorage',
      'SourceUnreachable',
      'AuthenticationFailed',
      'MissingPrivileges',
      'UnsupportedVersion',
      'CredentialsUnavailable',
      'StorageUnavailable',
    ],
  },
  PlanBackup: {
    does: 'chooses method, member and storage of every part',
    errors: [
      'MethodNotAvailable',
      'UnsupportedTopology',
      'NoEligibleMember',
      'UnknownStorage',
      'VolumeNotFound',
      'VolumeLayoutUnsupported',
      'SnapshotFailed',
      'PermissionDenied',
      'LockRefused',
      'StorageUnavailable',
    ],
  },
  AcquireLease: {
    does: 'takes the lease of a deployment or of a restore target',
    errors: ['DeploymentBusy', 'TargetBusy', 'StorageUnavailable'],
  },
  LaunchWorker: {
    does: 'starts the worker that answers by the task token',
    errors: [
      'SourceUnreachable',
      'TargetUnreachable',
      'MemberStateChanged',
      'FeatureCompatibilityVersionChanged',
      'OplogRolledOver',
      'OplogGap',
      'VolumeNotFound',
      'VolumeLayoutUnsupported',
      'VolumeKeyUnavailable',
      'CorruptSource',
      'CorruptObject',
      'RestoreRejected',
      'RestoreVerificationFailed',
      'UnsupportedOplogEntry',
      'LeaseLost',
      'StorageFull',
      'StorageAccessDenied',
      'StorageUnavailable',
      'WorkerFailed',
      'WorkerLost',
    ],
  },
  SnapshotMember: {
    does: 'reads the optimes and takes the snapshot of a member, locked where it must be',
    errors: [
      'SourceUnreachable',
      'MemberStateChanged',
      'MemberLocked',
      'LockRefused',
      'SnapshotFailed',
      'VolumeKeyUnavailable',
      'PermissionDenied',
      'VolumeNotFound',
      'VolumeLayoutUnsupported',
      'MissingPrivileges',
      'OplogRolledOver',
      'OplogGap',
      'WorkerLost',
      'LeaseLost',
      'StorageUnavailable',
    ],
  },
  EnsureUnlocked: {
    does: 'gives back the lock that a snapshot has left on its member',
    errors: ['SourceUnreachable', 'AuthenticationFailed', 'CredentialsUnavailable', 'StorageUnavailable'],
  },
  AwaitSnapshot: {
    does: 'looks whether a snapshot is whole',
    errors: ['SnapshotFailed', 'VolumeKeyUnavailable', 'PermissionDenied', 'StorageUnavailable'],
  },
  DeleteSnapshot: {
    does: 'deletes the snapshot that was copied',
    errors: ['SnapshotFailed', 'PermissionDenied', 'StorageUnavailable'],
  },
  CaptureOplog: {
    does: 'fixes the restore time and captures the oplog of every part to it',
    errors: [
      'SourceUnreachable',
      'MemberStateChanged',
      'RestoreTimeNotReached',
      'OplogRolledOver',
      'OplogGap',
      'LeaseLost',
      'StorageUnavailable',
    ],
  },
  CompleteBackup: {
    does: 'verifies what is stored and kept, wins the outcome and writes the manifest',
    errors: [
      'VerificationFailed',
      'OplogGap',
      'CorruptObject',
      'SnapshotFailed',
      'VolumeKeyUnavailable',
      'PermissionDenied',
      'LeaseLost',
      'StorageAccessDenied',
      'StorageNotSuitable',
      'StorageUnavailable',
    ],
  },
  PlanRestore: {
    does: 'finds the backup, checks its objects and the target',
    errors: [
      'UnknownBackup',
      'VerificationFailed',
      'UnsupportedFormat',
      'UnsupportedTopology',
      'ObjectNotFound',
      'CorruptObject',
      'MissingPrivileges',
      'TargetUnreachable',
      'TargetNotEmpty',
      'TargetIsSource',
      'TargetNotSuitable',
      'StorageUnavailable',
    ],
  },
  CompleteRestore: {
    does: 'makes sure that every part was verified by its worker, wins the outcome and takes the mark off the target',
    errors: [
      'LeaseLost',
      'ObjectNotFound',
      'TargetUnreachable',
      'AuthenticationFailed',
      'CredentialsUnavailable',
      'RestoreRejected',
      'StorageUnavailable',
    ],
  },
  ReleaseLease: { does: 'releases the lease that the run holds', errors: ['StorageUnavailable'] },
  PublishOutcome: { does: 'publishes how the run ended', errors: ['StorageUnavailable'] },
  RecordFailure: {
    does: 'decides the outcome of a run that failed or was cancelled, and cleans up; finishes one that is complete',
    errors: ['TargetUnreachable', 'StorageUnavailable'],
  },
  FindReplicaSets: {
    does: 'finds the replica sets of a deployment whose oplog is archived, and who may be read',
    errors: [
      'UnknownDeployment',
      'UnsupportedTopology',
      'NoEligibleMember',
      'SourceUnreachable',
      'AuthenticationFailed',
      'MissingPrivileges',
      'UnsupportedVersion',
      'CredentialsUnavailable',
    ],
  },
  ArchiveOplog: {
    does: 'archives what a replica set wrote since the last turn, and records gaps',
    errors: [
      'SourceUnreachable',
      'MemberStateChanged',
      'OplogRolledOver',
      'OplogGap',
      'CorruptSource',
      'VerificationFailed',
      'LeaseLost',
      'UnknownStorage',
      'StorageFull',
      'StorageAccessDenied',
      'StorageUnavailable',
    ],
  },
  StartNewBase: {
    does: 'starts a backup because of a gap in the oplog archive',
    errors: ['UnknownDeployment', 'StorageUnavailable'],
  },
} as const satisfies Record<string, FunctionEntry>;

export type FunctionName = keyof typeof functions;

/** Errors of the Lambda service itself: throttling and transient faults, retried at every task. */
export const serviceErrors = [
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.TooManyRequestsException',
] as const;

const always = ['AcquireLease', 'LaunchWorker', 'ReleaseLease', 'PublishOutcome', 'RecordFailure'] as const;

/** Each file, and the functions whose names its `${...}` placeholders are. */
export const stateMachines = {
  backup: {
    file: 'backup.asl.json',
    functions: [
      'InspectDeployment',
      'PlanBackup',
      'SnapshotMember',
      'EnsureUnlocked',
      'AwaitSnapshot',
      'DeleteSnapshot',
      'CaptureOplog',
      'CompleteBackup',
      ...always,
    ],
  },
  restore: { file: 'restore.asl.json', functions: ['PlanRestore', 'CompleteRestore', ...always] },
  'archive-oplog': {
    file: 'archive-oplog.asl.json',
    functions: ['FindReplicaSets', 'ArchiveOplog', 'StartNewBase'],
    express: true,
  },
} as const satisfies Record<string, StateMachineEntry>;

interface StateMachineEntry {
  readonly file: string;
  readonly functions: readonly FunctionName[];
  /** An Express workflow: its executions are no runs, have no folder and no history, and are over within five minutes. */
  readonly express?: true;
}

export type WorkflowName = keyof typeof stateMachines;

export function isExpress(workflow: WorkflowName): boolean {
  return 'express' in stateMachines[workflow];
}
