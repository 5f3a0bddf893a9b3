import * as cdk from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { sweepEveryMinutes } from '../../src/domain/stage-sizes.ts';

export interface HousekeepingProps {
  readonly key: kms.IKey;
  readonly clusterArn: string;
  readonly stateMachineArns: readonly string[];
  readonly sweepRuns: lambda.IFunction;
  readonly settleEndedRun: lambda.IFunction;
  readonly reportStoppedTask: lambda.IFunction;
}

/**
 * The layers against leaks beside the workflows' own catch-all: executions that were stopped run no Catch, tasks that never
 * came up answer no token, and whatever both missed is swept. What a rule could not deliver lies in the queue.
 */
export class Housekeeping extends Construct {
  /** Events that could not be delivered. */
  readonly undelivered: sqs.Queue;

  constructor(scope: Construct, id: string, props: HousekeepingProps) {
    super(scope, id);
    this.undelivered = new sqs.Queue(this, 'Undelivered', {
      encryption: sqs.QueueEncryption.KMS,
      encryptionMasterKey: props.key,
      enforceSSL: true,
      retentionPeriod: cdk.Duration.days(14),
    });
    cdk.Validations.of(this.undelivered).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'This is the dead-letter queue.',
    });
    const target = (handler: lambda.IFunction) =>
      new targets.LambdaFunction(handler, {
        deadLetterQueue: this.undelivered,
        retryAttempts: 8,
        maxEventAge: cdk.Duration.hours(2),
      });
    new events.Rule(this, 'Sweep', {
      description: 'Finishes what runs left that are over',
      schedule: events.Schedule.rate(cdk.Duration.minutes(sweepEveryMinutes)),
      targets: [target(props.sweepRuns)],
    });
    new events.Rule(this, 'EndedExecutions', {
      description: 'StopExecution and a workflow’s own timeout run no Catch',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: { status: ['ABORTED', 'FAILED', 'TIMED_OUT'], stateMachineArn: [...props.stateMachineArns] },
      },
      targets: [target(props.settleEndedRun)],
    });
    new events.Rule(this, 'StoppedTasks', {
      description: 'A worker that never came up answers no token',
      eventPattern: {
        source: ['aws.ecs'],
        detailType: ['ECS Task State Change'],
        detail: { clusterArn: [props.clusterArn], lastStatus: ['STOPPED'] },
      },
      targets: [target(props.reportStoppedTask)],
    });
  }
}
