import type * as iam from 'aws-cdk-lib/aws-iam';
import type { WorkflowName } from '../../statemachines/manifest.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { eventSource } from '../../src/domain/events.ts';
import { grant } from '../grant.ts';
import type { StagePermissions } from '../permissions/stage-permissions.ts';
import type { LockWatchdog } from '../starting/lock-watchdog.ts';
import type { WorkerTasks } from '../worker/worker-tasks.ts';

/** What the grants of functions are made of. */
export interface GrantsProps {
  readonly stage: string;
  readonly settings: Settings;
  readonly permissions: StagePermissions;
  /** Where a deployment has `lock: true`. */
  readonly watchdog: LockWatchdog | undefined;
  readonly worker: WorkerTasks;
  /** The published config, as an object of S3. */
  readonly configObjectArn: string;
  /** Of the stage's machines, and patterns of their executions. */
  readonly machines: readonly string[];
  readonly machineArns: Readonly<Record<WorkflowName, string>>;
  readonly executions: readonly string[];
  readonly eventBusArn: string;
}

export function grantReadConfig(role: iam.Role, { configObjectArn }: Pick<GrantsProps, 'configObjectArn'>): void {
  const purpose = 'Reads the config as it was deployed';
  grant(role, { actions: ['s3:GetObject'], resources: [configObjectArn], purpose });
}

export function grantPublish(
  role: iam.Role,
  { eventBusArn }: Pick<GrantsProps, 'eventBusArn'>,
  purpose = 'Publishes how a run ended',
): void {
  grant(role, {
    actions: ['events:PutEvents'],
    resources: [eventBusArn],
    conditions: { StringEquals: { 'events:source': eventSource } },
    purpose,
  });
}
