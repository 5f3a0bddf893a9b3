import type * as iam from 'aws-cdk-lib/aws-iam';
import { temporary } from '../../src/domain/names.ts';
import { grant } from '../grant.ts';
import type { StagePermissions } from '../permissions/stage-permissions.ts';
import { archiveGrants } from './archive-permissions.ts';
import { grantLock, grantUnlock } from '../permissions/lock-permissions.ts';
import {
  grantAttachVolumes,
  grantPlanVolumes,
  grantSettleVolumes,
  grantSweepVolumes,
} from '../permissions/restore-volume-permissions.ts';
import {
  grantDeleteSnapshots,
  grantFindSnapshots,
  grantFindVolumes,
  grantTakeSnapshots,
} from '../permissions/snapshot-permissions.ts';
import { grantStartWorkers, grantStopWorkers } from '../permissions/worker-permissions.ts';
import { apiGrants } from './api-permissions.ts';
import type { AppFunction } from './app-function.ts';
import type { AnyFunctionName } from './function-list.ts';
import { grantPublish, type GrantsProps, grantReadConfig } from './grants-props.ts';

/** Gives every function its grants. A test compares them with the calls that it makes in executed runs. */
export function grantFunctions(functions: Readonly<Record<AnyFunctionName, AppFunction>>, props: GrantsProps): void {
  const grants: Grants = {
    ...databaseGrants(props),
    ...planningGrants(props),
    ...endingGrants(props),
    ...apiGrants(props),
    ...archiveGrants(props),
  };
  for (const name of Object.keys(functions) as AnyFunctionName[]) grants[name](functions[name].role);
}

type Grants = Readonly<Record<AnyFunctionName, (role: iam.Role) => void>>;

/** The functions that begin a run or read the database. */
function databaseGrants(
  props: GrantsProps,
): Pick<Grants, 'InspectDeployment' | 'SnapshotMember' | 'EnsureUnlocked' | 'CaptureOplog' | 'PlanRestore'> {
  const { permissions } = props;
  return {
    InspectDeployment: (role) => {
      useState(role, permissions, 'requests');
      permissions.writeState(role, ['requests']);
      grantReadConfig(role, props);
      lookAtRuns(role, props);
      permissions.readDatabaseUsers(role, 'credentials');
    },
    SnapshotMember: (role) => {
      grantTakeSnapshots(role, props.settings);
      grantDeleteSnapshots(role, props.stage);
      useState(role, permissions, 'leases');
      permissions.readDatabaseUsers(role, 'credentials');
      permissions.readArtifacts(role);
      permissions.writeArtifacts(role, '*/oplog/*');
      grantLock(role, props);
    },
    EnsureUnlocked: (role) => {
      useState(role, permissions);
      grantUnlock(role, props);
      if (props.watchdog !== undefined) grantPublish(role, props, 'Publishes that a forgotten lock was given back');
    },
    CaptureOplog: (role) => {
      useState(role, permissions, 'leases');
      permissions.readDatabaseUsers(role, 'credentials');
      permissions.readArtifacts(role);
      permissions.writeArtifacts(role, '*/oplog/*');
    },
    PlanRestore: (role) => {
      useState(role, permissions, 'archives');
      grantReadConfig(role, props);
      permissions.readArtifacts(role);
      permissions.readDatabaseUsers(role, 'restoreCredentials');
      permissions.holdArtifacts(role);
      // A dry run ends with its plan.
      permissions.releaseHolds(role);
      grantPlanVolumes(role);
    },
  };
}

function planningGrants(
  props: GrantsProps,
): Pick<
  Grants,
  'PlanBackup' | 'AwaitSnapshot' | 'DeleteSnapshot' | 'AcquireLease' | 'LaunchWorker' | 'ReportStoppedTask'
> {
  const { permissions, worker } = props;
  return {
    PlanBackup: (role) => {
      grantFindVolumes(role, props.settings);
      useState(role, permissions);
    },
    AwaitSnapshot: (role) => {
      grantFindSnapshots(role);
      useState(role, permissions);
    },
    DeleteSnapshot: (role) => {
      grantDeleteSnapshots(role, props.stage, temporary);
      useState(role, permissions);
    },
    AcquireLease: (role) => {
      useState(role, permissions, 'leases');
      permissions.writeState(role, ['leases']);
      lookAtRuns(role, props);
      grantStopWorkers(role, worker);
    },
    LaunchWorker: (role) => {
      useState(role, permissions, 'leases');
      grantStartWorkers(role, worker);
      grantStopWorkers(role, worker);
    },
    ReportStoppedTask: (role) => {
      permissions.readState(role, ['runs']);
      grant(role, {
        actions: ['states:SendTaskFailure'],
        resources: props.machines,
        purpose: 'Answers for a worker that stopped without an answer',
      });
    },
  };
}

/** The functions that end a run, and those that end what others left. */
function endingGrants(
  props: GrantsProps,
): Omit<
  Grants,
  | keyof ReturnType<typeof databaseGrants>
  | keyof ReturnType<typeof planningGrants>
  | keyof ReturnType<typeof apiGrants>
  | keyof ReturnType<typeof archiveGrants>
> {
  const { permissions } = props;
  const sweep = (role: iam.Role): void => {
    useState(role, permissions, 'leases');
    permissions.writeState(role, ['leases']);
    lookAtRuns(role, props);
    cleanUp(role, props);
    grantPublish(role, props);
  };
  return {
    CompleteBackup: (role) => {
      completeBackups(role, props);
    },
    CompleteRestore: (role) => {
      completeRestores(role, props);
    },
    ReleaseLease: (role) => {
      useState(role, permissions, 'leases');
      permissions.writeState(role, ['leases']);
    },
    PublishOutcome: (role) => {
      useState(role, permissions);
      grantPublish(role, props);
    },
    RecordFailure: (role) => {
      useState(role, permissions);
      cleanUp(role, props);
    },
    SweepRuns: (role) => {
      sweep(role);
      grantSweepVolumes(role, props.stage);
    },
    SettleEndedRun: sweep,
  };
}

/** The mark on a server, or the volume that was made. */
function completeRestores(role: iam.Role, { permissions, stage }: GrantsProps): void {
  useState(role, permissions, 'leases');
  permissions.readDatabaseUsers(role, 'restoreCredentials');
  permissions.releaseHolds(role);
  permissions.deleteCollections(role);
  grantSettleVolumes(role, stage);
  grantAttachVolumes(role, stage);
}

/** The last state of a backup: what it names is kept, what only led to it goes. */
function completeBackups(role: iam.Role, { permissions, worker, stage }: GrantsProps): void {
  useState(role, permissions, 'leases');
  grantStopWorkers(role, worker);
  permissions.readArtifacts(role);
  permissions.writeManifests(role);
  permissions.lockBackups(role);
  permissions.deleteArtifacts(role, ['*/packs/*', '*/oplog/*']);
  permissions.discardUnfinished(role);
  permissions.deleteCheckpoints(role);
  permissions.releaseHolds(role);
  grantDeleteSnapshots(role, stage, temporary);
}

/** Every run's folder, to read and to write in; other folders to read. */
function useState(
  role: iam.Role,
  permissions: StagePermissions,
  ...more: readonly ('leases' | 'requests' | 'archives')[]
): void {
  permissions.readState(role, ['runs', ...more]);
  permissions.writeState(role, ['runs']);
}

function lookAtRuns(role: iam.Role, { executions }: GrantsProps): void {
  grant(role, {
    actions: ['states:DescribeExecution'],
    resources: executions,
    purpose: 'Asks whether another run still runs',
    because: 'An execution gets its name when it starts.',
  });
}

/** What is left of a run: its locks, its workers, its objects, its volumes, the mark on its target. */
function cleanUp(role: iam.Role, props: GrantsProps): void {
  const { permissions, worker, stage } = props;
  grantUnlock(role, props);
  grantDeleteSnapshots(role, stage);
  grantStopWorkers(role, worker);
  permissions.readArtifacts(role);
  permissions.writeManifests(role);
  permissions.lockBackups(role);
  permissions.deleteArtifacts(role, ['*/backups/*']);
  permissions.discardUnfinished(role);
  permissions.deleteCheckpoints(role);
  permissions.readDatabaseUsers(role, 'restoreCredentials');
  permissions.releaseHolds(role);
  grantSettleVolumes(role, stage);
}

/** What the worker may do; it can't delete what it wrote but for the index of an attempt that it supersedes. */
export function grantWorker(
  role: iam.Role,
  { permissions, machines }: Pick<GrantsProps, 'permissions' | 'machines'>,
): void {
  permissions.readState(role, ['runs', 'leases']);
  permissions.writeState(role, ['runs']);
  permissions.readArtifacts(role);
  permissions.writeArtifacts(role, '*/backups/*');
  permissions.deleteArtifacts(role, ['*/index.ndjson.zst']);
  permissions.readDatabaseUsers(role, 'credentials');
  permissions.readDatabaseUsers(role, 'restoreCredentials');
  grant(role, {
    actions: ['states:SendTaskSuccess', 'states:SendTaskFailure', 'states:SendTaskHeartbeat'],
    resources: machines,
    purpose: 'Answers the state that waits for it',
  });
}
