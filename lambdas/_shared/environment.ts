import * as z from 'zod';

/**
 * Variables of functions. Each function's `env.ts` picks what it needs; its construct in lib/ is typed by the same schema,
 * so that a variable that is missing there does not compile. All are names and places, never secrets.
 */
const arn = z.string().startsWith('arn:');
const list = z.string().transform((text) => text.split(',').filter((item) => item !== ''));

/** Every function: where runs and leases are. */
export const stateVariables = { STATE_BUCKET: z.string().min(3) };

/** Functions that make snapshots and volumes, or look for them: they are tagged with it. */
export const stageVariables = { STAGE: z.string().min(1) };

/** Functions that begin a run: the published config, and the buckets of storages that leave theirs to the stack. */
export const configVariables = {
  CONFIG_URI: z.string().regex(/^s3:\/\/[^/]+\/.+/, 'expected s3://bucket/key'),
  /** `name=bucket`, separated by commas. */
  STORAGE_BUCKETS: z.string(),
};

/** Functions that ask whether a run still runs: the stage's state machines, separated by commas. */
export const machineVariables = { STATE_MACHINE_ARNS: list };

/** Functions that start a workflow. */
export const backupMachineVariables = { BACKUP_MACHINE_ARN: arn };
export const restoreMachineVariables = { RESTORE_MACHINE_ARN: arn };

/** Functions that find volumes: of several instances with an address, the one in the stage's own VPC is meant. */
export const finderVariables = { ...stageVariables, VPC_ID: z.string().startsWith('vpc-') };

/** Functions that start workers with a volume: `version=arn`, separated by commas; with none there is no role either. */
export const volumeWorkerVariables = {
  VOLUME_TASK_DEFINITIONS: list.transform((pairs) =>
    Object.fromEntries(pairs.map((pair) => pair.split('=', 2) as [string, string])),
  ),
  INFRASTRUCTURE_ROLE_ARN: z.union([arn, z.literal('')]),
};

/** Functions that start or stop workers. */
export const workerVariables = {
  CLUSTER_ARN: arn,
  TASK_DEFINITION_ARN: arn,
  SUBNET_IDS: list,
  SECURITY_GROUP_IDS: list,
};

/** Functions that lock members: who watches them. Empty where no deployment has `lock: true`: then nobody does, and nothing is locked. */
export const lockVariables = {
  LOCK_SCHEDULE_GROUP: z.string(),
  LOCK_SCHEDULE_ROLE_ARN: z.union([arn, z.literal('')]),
  ENSURE_UNLOCKED_ARN: z.union([arn, z.literal('')]),
};
