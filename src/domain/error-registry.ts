import { entry, type ErrorEntry } from './error-entry.ts';

export { exitCodes } from './error-entry.ts';

/**
 * Every error of the product: its name is the token that state machines match, its code is what documentation and
 * support use, its kind decides the exit code. docs/errors.md is generated from this registry (scripts/generate-errors.ts).
 */

export const errorRegistry = {
  InvalidConfig: entry(
    'HF-1001',
    'usage',
    'The configuration is wrong.',
    'Correct the listed paths and run `holdfast config check`.',
  ),
  InvalidInput: entry(
    'HF-1002',
    'usage',
    'The input of a command or a workflow is wrong.',
    'Write what the message expects and start again.',
  ),
  UnknownDeployment: entry(
    'HF-1003',
    'usage',
    'No deployment of that name is configured.',
    'Use one of the configured names, or add it to the config file.',
  ),
  UnknownStorage: entry(
    'HF-1004',
    'usage',
    'No storage of that name is configured.',
    'Use one of the configured names, or add it to the config file.',
  ),
  UnknownBackup: entry(
    'HF-1005',
    'usage',
    'No backup of that id is in the storages.',
    'List what there is with `holdfast list`.',
  ),
  UnknownRun: entry(
    'HF-1006',
    'usage',
    'No run of that id is in the state storage.',
    'List the runs with `holdfast status`.',
  ),
  InvalidStateMachine: entry(
    'HF-1007',
    'usage',
    'A state machine file is wrong, or uses what the embedded engine does not implement.',
    'Correct the listed paths of the file.',
  ),
  MethodNotAvailable: entry(
    'HF-1008',
    'usage',
    'The method asked for is not possible for this deployment.',
    'Leave the method out, or ask for one that the message names.',
  ),
  CredentialsUnavailable: entry(
    'HF-1009',
    'usage',
    'The credentials could not be read.',
    'Provide the environment variable, the file or the secret that the config names.',
  ),
  MongodUnavailable: entry(
    'HF-1010',
    'usage',
    'No usable mongod was found.',
    'Put a mongod on the PATH, or name one by HOLDFAST_MONGOD.',
  ),
  ObjectServerUnavailable: entry(
    'HF-1011',
    'usage',
    'No S3 server for the demo or the tests could be had.',
    'Install Python 3.10 or later with pip; `npm run setup` says more.',
  ),

  SourceUnreachable: entry(
    'HF-2001',
    'source',
    'The deployment could not be reached.',
    'Check host, port, TLS and network from this machine.',
    true,
  ),
  AuthenticationFailed: entry(
    'HF-2002',
    'source',
    'The deployment refused the credentials.',
    'Check user, password and authSource of the backup user.',
  ),
  MissingPrivileges: entry('HF-2003', 'source', 'The backup user lacks privileges.', 'Grant the listed privileges.'),
  UnsupportedVersion: entry(
    'HF-2004',
    'source',
    'The server version is not supported.',
    'See the support matrix in the docs.',
  ),
  UnsupportedTopology: entry(
    'HF-2005',
    'source',
    'The deployment has a topology that this release cannot back up.',
    'See the message for what is supported.',
  ),
  NoEligibleMember: entry(
    'HF-2006',
    'source',
    'No member of the replica set may be read for a backup.',
    'Repair one of the members, or allow one in the config.',
  ),
  MemberStateChanged: entry(
    'HF-2007',
    'source',
    'The member changed while it was being read (restart, rollback, resync or state).',
    'The run starts the base again by itself; if it keeps failing, look at the member.',
    true,
  ),
  OplogRolledOver: entry(
    'HF-2008',
    'source',
    'The oplog no longer holds what must be captured.',
    'Enlarge the oplog (replSetResizeOplog), or back up when fewer writes happen.',
  ),
  OplogGap: entry('HF-2009', 'source', 'The captured oplog has a hole.', 'Start the backup again.'),
  UnsupportedOplogEntry: entry(
    'HF-2010',
    'data',
    'An oplog entry is of a kind that this release cannot carry.',
    'Report the entry that the message names; it is never skipped.',
  ),
  RestoreTimeNotReached: entry(
    'HF-2011',
    'source',
    'The majority did not reach the restore time in time.',
    'Check that a majority of the set is up and replicating.',
    true,
  ),
  CorruptSource: entry(
    'HF-2012',
    'source',
    'The member returned bytes that are not valid BSON.',
    'Validate the collection on the member; resync the member if it is damaged.',
  ),
  FeatureCompatibilityVersionChanged: entry(
    'HF-2013',
    'source',
    'The feature compatibility version changed during the base.',
    'The run starts the base again by itself.',
    true,
  ),

  DeploymentBusy: entry('HF-3001', 'busy', 'Another run holds the deployment.', 'Wait for that run, or cancel it.'),
  TargetBusy: entry('HF-3002', 'busy', 'Another restore holds the target.', 'Wait for that run, or cancel it.'),
  LeaseLost: entry(
    'HF-3003',
    'busy',
    'The run lost its lease to a later one.',
    'Start again when the other run has ended.',
  ),
  Duplicate: entry(
    'HF-3004',
    'busy',
    'The same request has been accepted before.',
    'Nothing to do: the earlier run answers it.',
  ),

  StorageUnavailable: entry(
    'HF-4001',
    'storage',
    'The storage did not answer.',
    'Check the storage and the network.',
    true,
  ),
  StorageAccessDenied: entry(
    'HF-4002',
    'storage',
    'The storage refused access.',
    'Grant the access that the message names.',
  ),
  StorageFull: entry('HF-4003', 'storage', 'The storage has no room.', 'Free space, or choose another storage.'),
  ObjectNotFound: entry(
    'HF-4004',
    'storage',
    'An object is missing in the storage.',
    'Run `holdfast describe` for the backup; it may be damaged or deleted.',
  ),
  ObjectExists: entry(
    'HF-4005',
    'storage',
    'An object that is written once exists already.',
    'Nothing to do: another attempt wrote it.',
  ),
  PreconditionFailed: entry('HF-4006', 'storage', 'An object changed since it was read.', 'Read it again.'),
  StorageNotSuitable: entry(
    'HF-4007',
    'storage',
    'The storage cannot keep what backups rest on.',
    'Use another storage: conditional writes must be honoured, and what is written must be readable at once.',
  ),
  StorageNotFound: entry(
    'HF-4008',
    'storage',
    'The bucket of a storage is not there.',
    'Correct the storage in the config file, or make the bucket.',
  ),

  VerificationFailed: entry(
    'HF-5001',
    'data',
    'What is stored differs from what was written.',
    'Do not rely on this backup; take a new one and look at the storage.',
  ),
  CorruptObject: entry(
    'HF-5002',
    'data',
    'An object is damaged.',
    'Restore from another backup; the message names the object.',
  ),
  UnsupportedFormat: entry(
    'HF-5003',
    'data',
    'A document was written by a newer release.',
    'Use a release that knows this format version.',
  ),

  TargetUnreachable: entry(
    'HF-6001',
    'target',
    'The target could not be reached.',
    'Check host, port, TLS and network from this machine.',
    true,
  ),
  TargetNotEmpty: entry(
    'HF-6002',
    'target',
    'The target already holds data.',
    'Restore to an empty server, or name the target with --overwrite.',
  ),
  TargetIsSource: entry(
    'HF-6003',
    'target',
    'The target is the deployment that was backed up.',
    'Name another target.',
  ),
  TargetNotSuitable: entry(
    'HF-6004',
    'target',
    'The target cannot take this backup.',
    'See the message for what it needs.',
  ),
  RestoreRejected: entry(
    'HF-6005',
    'target',
    'The target rejected a write of the restore.',
    'The target is incomplete; empty it and restore again after correcting the cause.',
  ),
  RestoreVerificationFailed: entry(
    'HF-6006',
    'data',
    'The restored data differs from the backup.',
    'Do not use the target; report the differences that the message lists.',
  ),

  WorkerFailed: entry(
    'HF-7001',
    'worker',
    'The worker ended with an unexpected error.',
    'Read the run with `holdfast status RUN`; its errors are in the run folder.',
    true,
  ),
  WorkerLost: entry(
    'HF-7002',
    'worker',
    'The worker disappeared without an answer.',
    'The run starts it again by itself; if it keeps failing, look at memory and host.',
    true,
  ),
  StepTimedOut: entry(
    'HF-7003',
    'worker',
    'A step of the run took longer than it may.',
    'Look at the step that the message names and what it talks to, then start again.',
  ),
  Interrupted: entry(
    'HF-7004',
    'worker',
    'The process that ran the workflow ended before the run did.',
    'Start again: what a backup had written is removed; the target of a restore stays marked as incomplete.',
  ),
  Cancelled: entry(
    'HF-8001',
    'cancelled',
    'The run was cancelled.',
    'Nothing to do: a backup left nothing behind; the target of a restore stays marked as incomplete.',
  ),
  Internal: entry('HF-9001', 'internal', 'A defect of Holdfast.', 'Please report it with the run id.'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorName = keyof typeof errorRegistry;
