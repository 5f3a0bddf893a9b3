/** Runs on a stage that take longer: `test/full/aws-stage-<name>.test.ts`. */
export type LongStageRuns = 'archive' | 'volumes' | 'faults' | 'to-server';

/** Granted for what happens when something goes wrong in a way, or at a moment, that executed runs don't bring about. */
export interface UncalledGrant {
  /** `every role` for all that have the action. */
  readonly roles: readonly string[] | 'every role';
  readonly actions: readonly string[];
  readonly reason: string;
  /** Which runs call every action of it by every role of it, which they assert; left out: none that is executed. */
  readonly calledIn?: LongStageRuns;
}

const enders = ['record-failure', 'settle-ended-run', 'sweep-runs'];
const cleaners = ['complete-backup', ...enders];

const leftWorkers = 'Only for workers that are still there when nobody waits for them';
const leftObjects = 'Only for what a run has left when it was ended';
const leftSnapshots = 'Only for snapshots that a run has left when it was ended';
const laterChecks = 'Only once an hour or a day, for what has been archived long before';

/**
 * Grants that the runs of test/e2e/aws-stage.test.ts may leave unused. A grant that no run uses and that is not here fails
 * that test; one that is here and not in the stage fails the documents' generator.
 */
export const uncalledGrants: readonly UncalledGrant[] = [
  {
    roles: ['acquire-lease', 'launch-worker', 'record-failure', 'settle-ended-run'],
    actions: ['ecs:ListTasks', 'ecs:DescribeTasks', 'ecs:StopTask'],
    reason: leftWorkers,
    calledIn: 'faults',
  },
  { roles: ['sweep-runs'], actions: ['ecs:ListTasks', 'ecs:DescribeTasks'], reason: leftWorkers, calledIn: 'faults' },
  { roles: ['complete-backup', 'sweep-runs'], actions: ['ecs:StopTask'], reason: leftWorkers },
  {
    roles: enders,
    actions: ['s3:PutObject', 's3:GetObject', 's3:ListBucketMultipartUploads'],
    reason: leftObjects,
    calledIn: 'faults',
  },
  {
    roles: ['record-failure', 'settle-ended-run'],
    actions: ['s3:DeleteObject'],
    reason: leftObjects,
    calledIn: 'faults',
  },
  { roles: ['complete-backup', 'sweep-runs'], actions: ['s3:DeleteObject'], reason: leftObjects },
  {
    roles: [...cleaners, 'worker', 'capture-oplog', 'archive-oplog', 'snapshot-member', 'complete-restore'],
    actions: ['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts'],
    reason: 'Only for an object that was begun in parts and could not be finished',
  },
  {
    roles: ['snapshot-member'],
    actions: ['ec2:DeleteSnapshot'],
    reason: 'Only for a snapshot of a member that changed meanwhile, or whose lock was lost',
  },
  {
    roles: enders,
    actions: ['s3:PutObjectRetention'],
    reason: 'Only for a backup whose run ended between its manifest and its locks',
  },
  {
    roles: enders,
    actions: ['secretsmanager:GetSecretValue'],
    reason: 'Only for the mark on a server that a restore was given up on',
  },
  {
    roles: ['acquire-lease', 'sweep-runs'],
    actions: ['states:DescribeExecution'],
    reason: 'Only when another run holds the lease',
    calledIn: 'faults',
  },
  {
    roles: ['inspect-deployment'],
    actions: ['states:DescribeExecution'],
    reason: 'Only when another run has the idempotency key',
  },
  { roles: ['worker'], actions: ['states:SendTaskFailure'], reason: 'Only for a part that fails' },
  {
    roles: ['publish-outcome'],
    actions: ['s3:PutObject'],
    reason: 'Only to keep an error of the function in the run’s folder',
  },
  {
    roles: ['find-replica-sets'],
    actions: ['s3:ListBucket', 's3:PutObject', 'events:PutEvents'],
    reason: 'Only to note, and to tell, that the deployment can’t be looked at',
  },
  {
    roles: ['archive-oplog'],
    actions: ['events:PutEvents'],
    reason: 'Only for a gap, or an oplog that is too short',
    calledIn: 'archive',
  },
  {
    roles: ['complete-restore'],
    actions: ['s3:DeleteObject'],
    reason: 'Only for a restore that has read the oplog archive, and held it',
    calledIn: 'archive',
  },
  {
    roles: ['complete-restore'],
    actions: ['s3:ListBucketMultipartUploads'],
    reason: 'Only for a restore of a kept snapshot to a server, whose collections lie in the storage meanwhile',
    calledIn: 'to-server',
  },
  {
    roles: ['complete-restore', ...enders],
    actions: ['ec2:DescribeVolumes', 'ec2:DeleteVolume', 'ec2:DeleteTags'],
    reason: 'Only for volumes of a restore that its task has left',
  },
  {
    roles: ['plan-restore'],
    actions: ['ec2:DescribeSnapshots', 'ec2:DescribeVolumes', 'ec2:DescribeFastSnapshotRestores'],
    reason: 'Only for backups whose files were on a volume of EBS',
    calledIn: 'volumes',
  },
  {
    roles: ['plan-restore'],
    actions: ['s3:DeleteObject'],
    reason: 'Only for a dry run to a time, which has held the oplog archive',
    calledIn: 'archive',
  },
  {
    roles: ['sweep-runs'],
    actions: ['events:PutEvents'],
    reason: 'Only for a run whose outcome nobody published',
    calledIn: 'faults',
  },
  {
    roles: ['snapshot-member'],
    actions: ['ec2:CreateSnapshots', 'ec2:DescribeInstances'],
    reason: 'Only for data on several volumes, which are snapshotted at one instant',
    calledIn: 'volumes',
  },
  {
    roles: ['snapshot-member'],
    actions: ['scheduler:CreateSchedule', 'scheduler:DeleteSchedule', 'iam:PassRole', 's3:DeleteObject'],
    reason: 'Only for deployments with `lock: true`',
  },
  {
    roles: ['ensure-unlocked'],
    actions: ['secretsmanager:GetSecretValue', 's3:DeleteObject', 's3:PutObject', 'events:PutEvents'],
    reason: 'Only for a lock that a function has left',
  },
  {
    roles: ['delete-snapshot'],
    actions: ['s3:GetObject', 's3:PutObject'],
    reason: 'Only to keep an error of the function in the run’s folder',
  },
  {
    roles: enders,
    actions: ['ec2:DescribeSnapshots', 'ec2:DeleteSnapshot'],
    reason: leftSnapshots,
    calledIn: 'faults',
  },
  { roles: ['complete-backup'], actions: ['ec2:DeleteSnapshot'], reason: leftSnapshots },
  {
    roles: ['check-archives'],
    actions: ['s3:GetObject', 's3:PutObject', 'events:PutEvents'],
    reason: laterChecks,
    calledIn: 'archive',
  },
  {
    roles: ['prune-archives', 'prune'],
    actions: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
    reason: laterChecks,
    calledIn: 'archive',
  },
  {
    roles: ['start-new-base'],
    actions: ['s3:PutObject', 'states:StartExecution'],
    reason: 'Only for a gap in the oplog archive',
    calledIn: 'archive',
  },
  {
    roles: ['start-new-base'],
    actions: ['states:DescribeExecution'],
    reason: 'Only for a backup that was started before by the same key',
  },
  {
    roles: 'every role',
    actions: ['s3:ListBucket'],
    reason: 'S3 says 404 of what is not there to those who may list, and 403 to others',
  },
];

/** Calls that AWS itself makes with a role, or demands of it: they are in no request of the function. */
export const impliedActions =
  /^(kms|logs|xray):|^ec2:(Create|Describe|Delete)NetworkInterfaces?$|^ec2:(Assign|Unassign)PrivateIpAddresses$|^ec2:DescribeSubnets$/;
