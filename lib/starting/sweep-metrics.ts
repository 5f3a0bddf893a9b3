import * as cdk from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { metricNamespace, sweepMetrics, sweptMessage } from '../../src/domain/sweep-metrics.ts';
import { sweepEveryMinutes } from '../../src/domain/stage-sizes.ts';

export interface SweepMetricsProps {
  readonly stage: string;
  /** Of the sweep. */
  readonly logGroup: logs.ILogGroup;
  /** Is told when something stays that nobody needs. */
  readonly topic: sns.ITopic;
}

/** What the sweep has found, as metrics made of its log: they cost nothing in a month in which it finds nothing. */
export class SweepMetrics extends Construct {
  constructor(scope: Construct, id: string, { stage, logGroup, topic }: SweepMetricsProps) {
    super(scope, id);
    const period = cdk.Duration.minutes(sweepEveryMinutes);
    for (const [field, metricName] of Object.entries(sweepMetrics)) {
      const counted = `$.counts.${field}`;
      const filter = new logs.MetricFilter(this, metricName, {
        logGroup,
        metricNamespace: metricNamespace(stage),
        metricName,
        filterPattern: logs.FilterPattern.all(
          logs.FilterPattern.stringValue('$.message', '=', sweptMessage),
          logs.FilterPattern.numberValue(counted, '>', 0),
        ),
        metricValue: counted,
      });
      if (metricName !== sweepMetrics.problems) continue;
      new cloudwatch.Alarm(this, 'NotSwept', {
        alarmDescription: 'For an hour something has stayed that no run needs (runbook: something is left in AWS).',
        metric: filter.metric({ statistic: 'Maximum', period }),
        threshold: 1,
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        // A sweep takes longer now and then, and its line falls into the next period.
        ...{ evaluationPeriods: 5, datapointsToAlarm: 4 },
        treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      }).addAlarmAction(new actions.SnsAction(topic));
    }
  }
}
