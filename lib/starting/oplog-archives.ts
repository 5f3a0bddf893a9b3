import * as cdk from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as sns from 'aws-cdk-lib/aws-sns';
import type * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { Settings } from '../../src/domain/settings.ts';
import { archiveTurnSeconds } from '../../src/domain/stage-sizes.ts';
import { grant } from '../grant.ts';

export interface OplogArchivesProps {
  readonly settings: Settings;
  readonly archiveOplog: sfn.StateMachine;
  readonly checkArchives: lambda.IFunction;
  readonly pruneArchives: lambda.IFunction;
  /** Is told when an archive is not kept up. */
  readonly topic: sns.ITopic;
}

/**
 * Starts a turn of the archive every minute, for each deployment that has one, and what looks after what is archived. A turn
 * that is missed is in the next one; turns that fail one after the other raise an alarm, because they publish no event.
 */
export class OplogArchives extends Construct {
  constructor(scope: Construct, id: string, props: OplogArchivesProps) {
    super(scope, id);
    const { settings, archiveOplog } = props;
    const archived = Object.values(settings.deployments).filter(({ oplogArchive }) => oplogArchive?.enabled === true);
    if (archived.length === 0) return;
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('events.amazonaws.com') });
    grant(role, {
      actions: ['states:StartExecution'],
      resources: [archiveOplog.stateMachineArn],
      purpose: 'Starts a turn of the oplog archive every minute',
    });
    for (const { name } of archived) {
      new events.Rule(this, name, {
        description: `Archives the oplog of ${name}`,
        schedule: events.Schedule.rate(cdk.Duration.seconds(archiveTurnSeconds)),
        targets: [
          new targets.SfnStateMachine(archiveOplog, {
            role,
            input: events.RuleTargetInput.fromObject({ deployment: name }),
            retryAttempts: 1,
            maxEventAge: cdk.Duration.minutes(1),
          }),
        ],
      });
    }
    this.#lookAfter(props);
    this.#watch(props, archived.length);
  }

  #lookAfter({ checkArchives, pruneArchives }: OplogArchivesProps): void {
    new events.Rule(this, 'Check', {
      description: 'Looks whether what is archived is there and whole',
      schedule: events.Schedule.rate(cdk.Duration.hours(1)),
      targets: [new targets.LambdaFunction(checkArchives, { retryAttempts: 1 })],
    });
    new events.Rule(this, 'Prune', {
      description: 'Deletes what no restore to a promised time needs',
      schedule: events.Schedule.rate(cdk.Duration.days(1)),
      targets: [new targets.LambdaFunction(pruneArchives, { retryAttempts: 1 })],
    });
  }

  #watch({ archiveOplog, checkArchives, pruneArchives, topic }: OplogArchivesProps, archives: number): void {
    const period = cdk.Duration.minutes(15);
    const alarm = (name: string, props: cloudwatch.AlarmProps) => {
      new cloudwatch.Alarm(this, name, props).addAlarmAction(new actions.SnsAction(topic));
    };
    const atLeast = {
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    };
    alarm('NotArchived', {
      alarmDescription:
        'For 15 minutes no turn of the oplog archive succeeded (runbook: the oplog archive does not go on).',
      metric: archiveOplog.metricSucceeded({ period }),
      threshold: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: cloudwatch.TreatMissingData.BREACHING,
    });
    alarm('TurnsFail', {
      alarmDescription: 'Most turns of a deployment’s oplog archive fail (runbook: the oplog archive does not go on).',
      metric: new cloudwatch.MathExpression({
        expression: 'FILL(failed, 0) + FILL(timedOut, 0)',
        period,
        usingMetrics: {
          failed: archiveOplog.metricFailed({ period }),
          timedOut: archiveOplog.metricTimedOut({ period }),
        },
      }),
      threshold: 10,
      ...atLeast,
    });
    alarm('NotLookedAfter', {
      alarmDescription: `The check or the pruning of ${archives === 1 ? 'the oplog archive' : `${archives} oplog archives`} fails (runbook: the check of the oplog archive fails).`,
      metric: new cloudwatch.MathExpression({
        expression: 'FILL(checks, 0) + FILL(prunes, 0)',
        period,
        usingMetrics: {
          checks: checkArchives.metricErrors({ period }),
          prunes: pruneArchives.metricErrors({ period }),
        },
      }),
      threshold: 1,
      ...atLeast,
    });
  }
}
