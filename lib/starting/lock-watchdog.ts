import * as cdk from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import type * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { stageNames } from '../../src/domain/names.ts';
import { allFunctions } from '../functions/function-list.ts';
import { grant } from '../grant.ts';

/**
 * What watches locks on members: the group that the one-time schedules are in (one for each lock, made by the function that
 * takes it), the role with which they call the function that gives locks back, and an alarm when that fails.
 */
export class LockWatchdog extends Construct {
  readonly group: string;
  readonly role: iam.Role;
  /** By its name: the function that locks is told of it before either exists. */
  readonly targetArn: string;

  constructor(scope: Construct, id: string, { stage }: { readonly stage: string }) {
    super(scope, id);
    const stack = cdk.Stack.of(this);
    this.group = stageNames.lockSchedules(stage);
    new scheduler.ScheduleGroup(this, 'Group', {
      scheduleGroupName: this.group,
      removalPolicy: cdk.RemovalPolicy.DESTROY,
    });
    this.targetArn = stack.formatArn({
      service: 'lambda',
      resource: 'function',
      resourceName: stageNames.function(stage, allFunctions.EnsureUnlocked.folder),
      arnFormat: cdk.ArnFormat.COLON_RESOURCE_NAME,
    });
    const group = stack.formatArn({ service: 'scheduler', resource: 'schedule-group', resourceName: this.group });
    this.role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': stack.account, 'aws:SourceArn': group } },
      }),
    });
    grant(this.role, {
      actions: ['lambda:InvokeFunction'],
      resources: [this.targetArn],
      purpose: 'Has a lock given back that its owner did not give back',
    });
  }

  /**
   * Tells when a lock may still be there: the function failed, or was never called. The scheduler hands its call to Lambda's own
   * queue, which goes on when the function is throttled, or has failed, for an hour.
   */
  watch(ensureUnlocked: lambda.Function, topic: sns.ITopic): void {
    const period = cdk.Duration.minutes(1);
    ensureUnlocked.configureAsyncInvoke({ maxEventAge: cdk.Duration.hours(1), retryAttempts: 2 });
    const alarm = new cloudwatch.Alarm(this, 'LockLeft', {
      alarmDescription: 'A lock on a member could not be given back (runbook: a member stays locked).',
      metric: new cloudwatch.MathExpression({
        // A sum is of minutes in which each of them has a value; most have one only when something failed.
        expression: 'FILL(errors, 0) + FILL(dropped, 0) + FILL(undelivered, 0)',
        period,
        usingMetrics: {
          errors: ensureUnlocked.metricErrors({ period }),
          dropped: ensureUnlocked.metric('AsyncEventsDropped', { period, statistic: 'sum' }),
          undelivered: new cloudwatch.Metric({
            namespace: 'AWS/Scheduler',
            metricName: 'InvocationDroppedCount',
            dimensionsMap: { ScheduleGroup: this.group },
            statistic: 'sum',
            period,
          }),
        },
      }),
      threshold: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new actions.SnsAction(topic));
  }
}
