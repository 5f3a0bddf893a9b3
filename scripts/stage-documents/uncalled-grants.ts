/** Granted for what happens when something goes wrong in a way, or at a moment, that executed runs don't bring about. */
export interface UncalledGrant {
  /** `every role` for all that have the action. */
  readonly roles: readonly string[] | 'every role';
  readonly actions: readonly string[];
  readonly reason: string;
}

const caretakers = ['check-archives', 'prune-archives', 'prune'];

/** Functions that no executed run on AWS calls yet. */
export const uncalledFunctions: readonly string[] = caretakers;

const cleaners = ['complete-backup', 'record-failure', 'settle-ended-run', 'sweep-runs'];

/**
 * Grants that the runs of test/e2e/aws-stage.test.ts may leave unused. A grant that no run uses and that is not here fails
 * that test; one that is here and not in the stage fails the documents' generator.
 */
export const uncalledGrants: readonly UncalledGrant[] = [
  {
    roles: ['acquire-lease', 'launch-worker', ...cleaners],
    actions: ['ecs:ListTasks', 'ecs:DescribeTasks', 'ecs:StopTask'],
    reason: 'Only for workers that are still there when nobody waits for them',
  },
  {
    roles: cleaners,
    actions: [
      's3:DeleteObject',
      's3:PutObject',
      's3:GetObject',
      's3:AbortMultipartUpload',
      's3:ListMultipartUploadParts',
      's3:ListBucketMultipartUploads',
    ],
    reason: 'Only for what a run has left when it was ended',
  },
  {
    roles: ['record-failure', 'settle-ended-run', 'sweep-runs'],
    actions: ['s3:PutObjectRetention'],
    reason: 'Only for a backup whose run ended between its manifest and its locks',
  },
  {
    roles: ['worker', 'capture-oplog', 'archive-oplog'],
    actions: ['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts'],
    reason: 'Only for an object that was begun in parts and could not be finished',
  },
  {
    roles: ['record-failure', 'settle-ended-run', 'sweep-runs'],
    actions: ['secretsmanager:GetSecretValue'],
    reason: 'Only for the mark on a server that a restore was given up on',
  },
  {
    roles: ['acquire-lease', 'inspect-deployment', 'sweep-runs'],
    actions: ['states:DescribeExecution'],
    reason: 'Only when another run holds the lease or the idempotency key',
  },
  {
    roles: ['worker'],
    actions: ['states:SendTaskFailure'],
    reason: 'Only for a part that fails',
  },
  {
    roles: ['publish-outcome', 'complete-restore'],
    actions: ['s3:PutObject'],
    reason: 'Only to keep an error of the function in the run’s folder',
  },
  { roles: ['archive-oplog'], actions: ['events:PutEvents'], reason: 'Only for a gap, or an oplog that is too short' },
  {
    roles: ['complete-restore'],
    actions: ['s3:DeleteObject'],
    reason: 'Only for a restore that has read the oplog archive, and held it',
  },
  {
    roles: ['complete-restore', 'record-failure', 'settle-ended-run', 'sweep-runs'],
    actions: ['ec2:DescribeVolumes', 'ec2:DeleteVolume', 'ec2:DeleteTags'],
    reason: 'Only for volumes of a restore that its task has left',
  },
  {
    roles: ['plan-restore'],
    actions: ['ec2:DescribeSnapshots', 'ec2:DescribeVolumes', 'ec2:DescribeFastSnapshotRestores'],
    reason: 'Only for backups whose files were on a volume of EBS',
  },
  {
    roles: ['plan-restore'],
    actions: ['s3:DeleteObject'],
    reason: 'Only for a dry run to a time, which has held the oplog archive',
  },
  { roles: ['sweep-runs'], actions: ['events:PutEvents'], reason: 'Only for a run whose outcome nobody published' },
  {
    roles: ['snapshot-member'],
    actions: ['ec2:CreateSnapshots', 'ec2:DescribeInstances'],
    reason: 'Only for data on several volumes, which are snapshotted at one instant',
  },
  {
    roles: ['snapshot-member'],
    actions: ['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts'],
    reason: 'Only for an object that was begun in parts and could not be finished',
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
    roles: cleaners,
    actions: ['ec2:DescribeSnapshots', 'ec2:DeleteSnapshot'],
    reason: 'Only for snapshots that a run has left when it was ended',
  },
  {
    roles: caretakers,
    actions: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 'events:PutEvents'],
    reason: 'Only once an hour or a day, for what has been archived long before',
  },
  {
    roles: ['start-new-base'],
    actions: ['s3:PutObject', 'states:StartExecution', 'states:DescribeExecution'],
    reason: 'Only for a gap in the oplog archive',
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
