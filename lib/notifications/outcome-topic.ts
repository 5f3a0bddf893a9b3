import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { eventSource } from '../../src/domain/events.ts';

export interface OutcomeTopicProps {
  readonly key: kms.Key;
}

/** An SNS topic with every event of Holdfast: subscribe an address or a pager to it. */
export class OutcomeTopic extends Construct {
  readonly topic: sns.Topic;

  constructor(scope: Construct, id: string, { key }: OutcomeTopicProps) {
    super(scope, id);
    this.topic = new sns.Topic(this, 'Topic', { masterKey: key, enforceSSL: true, displayName: 'Holdfast' });
    // EventBridge encrypts what it sends to the topic with the topic's key.
    key.grantEncryptDecrypt(new iam.ServicePrincipal('events.amazonaws.com'));
    // So does CloudWatch for its alarms.
    key.grantEncryptDecrypt(new iam.ServicePrincipal('cloudwatch.amazonaws.com'));
    new events.Rule(this, 'Outcomes', {
      description: 'Every event of Holdfast goes to the topic',
      eventPattern: { source: [eventSource] },
      targets: [new targets.SnsTopic(this.topic)],
    });
  }
}
