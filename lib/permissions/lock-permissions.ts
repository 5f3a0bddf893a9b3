import * as cdk from 'aws-cdk-lib';
import type * as iam from 'aws-cdk-lib/aws-iam';
import { stageNames } from '../../src/domain/names.ts';
import type { DeploymentSettings, Settings } from '../../src/domain/settings.ts';
import { grant } from '../grant.ts';
import type { LockWatchdog } from '../starting/lock-watchdog.ts';
import type { StagePermissions } from './stage-permissions.ts';

/** What functions may do about locks on members: nothing at all where no deployment has `lock: true`. */

export interface LockGrantsProps {
  readonly settings: Settings;
  readonly permissions: StagePermissions;
  readonly watchdog: LockWatchdog | undefined;
}

export function lockedDeployments({ deployments }: Settings): DeploymentSettings[] {
  return Object.values(deployments).filter(({ lock }) => lock === true);
}

/** For the function that locks members: its records, and the schedules that watch them. */
export function grantLock(role: iam.Role, { settings, permissions, watchdog }: LockGrantsProps): void {
  if (watchdog === undefined) return;
  permissions.keepLocks(role);
  grant(role, {
    actions: ['scheduler:CreateSchedule', 'scheduler:DeleteSchedule'],
    resources: [
      cdk.Stack.of(role).formatArn({
        service: 'scheduler',
        resource: 'schedule',
        resourceName: `${stageNames.lockSchedules(settings.stage)}/*`,
      }),
    ],
    purpose: 'Has somebody else watch a lock before it is taken',
    because: 'Every lock has a schedule of its own, in the stage’s group for them.',
  });
  grant(role, {
    actions: ['iam:PassRole'],
    resources: [watchdog.role.roleArn],
    conditions: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
    purpose: 'Lets the schedule call the function that gives locks back, and nothing else',
  });
}

/** For functions that give back what runs have left locked. */
export function grantUnlock(role: iam.Role, { settings, permissions, watchdog }: LockGrantsProps): void {
  if (watchdog === undefined) return;
  permissions.clearLocks(role);
  permissions.readDatabaseUsers(role, 'credentials', lockedDeployments(settings));
}
