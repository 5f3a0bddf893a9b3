import * as cdk from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as targets from 'aws-cdk-lib/aws-scheduler-targets';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { requesterOfSchedule } from '../../src/domain/names.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { checkedName } from '../checked-name.ts';
import { explainGrant, grant } from '../grant.ts';

export interface BackupSchedulesProps {
  readonly settings: Settings;
  readonly key: kms.IKey;
  readonly backup: sfn.StateMachine;
  readonly undelivered: sqs.Queue;
}

/**
 * One schedule of EventBridge Scheduler for each of the config. It delivers at least once: the idempotency key (schedule and
 * planned time) makes a second delivery end as a duplicate.
 */
export class BackupSchedules extends Construct {
  constructor(scope: Construct, id: string, props: BackupSchedulesProps) {
    super(scope, id);
    const planned = Object.values(props.settings.deployments).flatMap((deployment) =>
      Object.entries(deployment.schedules ?? {}).map(([name, schedule]) => ({ deployment, name, schedule })),
    );
    if (planned.length === 0) return;
    const { stage } = props.settings;
    const role = this.#makeRole(props);
    const group = new scheduler.ScheduleGroup(this, 'Group', { scheduleGroupName: `holdfast-${stage}` });
    for (const { deployment, name, schedule } of planned) {
      const { cron, timezone, method, storage } = schedule;
      new scheduler.Schedule(this, `${deployment.name}-${name}`, {
        scheduleName: checkedName(`${deployment.name}-${name}`, 64, 'a schedule'),
        scheduleGroup: group,
        description: `Backs up ${deployment.name}`,
        schedule: scheduler.ScheduleExpression.expression(`cron(${cron})`, cdk.TimeZone.of(timezone)),
        timeWindow: scheduler.TimeWindow.flexible(cdk.Duration.minutes(5)),
        key: props.key,
        target: new targets.StepFunctionsStartExecution(props.backup, {
          role,
          deadLetterQueue: props.undelivered,
          retryAttempts: 12,
          maxEventAge: cdk.Duration.hours(2),
          input: scheduler.ScheduleTargetInput.fromObject({
            deployment: deployment.name,
            ...(method && { method }),
            ...(storage && { storage }),
            requestedBy: requesterOfSchedule(name),
            idempotencyKey: `${name}@${scheduler.ContextAttribute.scheduledTime}`,
          }),
        }),
      });
    }
  }

  #makeRole({ backup, key, settings }: BackupSchedulesProps): iam.Role {
    const stack = cdk.Stack.of(this);
    const group = stack.formatArn({
      service: 'scheduler',
      resource: 'schedule-group',
      resourceName: `holdfast-${settings.stage}`,
    });
    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': stack.account, 'aws:SourceArn': group } },
      }),
    });
    grant(role, {
      actions: ['states:StartExecution'],
      resources: [backup.stateMachineArn],
      purpose: 'Starts a backup when it is due',
    });
    grant(role, { actions: ['kms:Decrypt'], resources: [key.keyArn], purpose: 'Reads the schedule’s own input' });
    explainGrant(role, {
      actions: ['sqs:SendMessage'],
      purpose: 'Keeps what it could not deliver in the dead-letter queue',
    });
    return role;
  }
}
