import * as cdk from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

/** The stage's key. It stays when the stack goes: without it no backup can be read. */
export function makeStageKey(scope: Construct, stage: string): kms.Key {
  return new kms.Key(scope, 'Key', {
    alias: `holdfast-${stage}`,
    description: `Holdfast ${stage}: backups, state, logs, events`,
    enableKeyRotation: true,
    removalPolicy: cdk.RemovalPolicy.RETAIN,
  });
}

/** CloudWatch encrypts the stage's logs with the key: without this in its policy, no log group can be made. */
export function letLogsUse(key: kms.Key): void {
  const stack = cdk.Stack.of(key);
  const logGroups = stack.formatArn({
    service: 'logs',
    resource: 'log-group',
    resourceName: '*',
    arnFormat: cdk.ArnFormat.COLON_RESOURCE_NAME,
  });
  key.addToResourcePolicy(
    new iam.PolicyStatement({
      principals: [new iam.ServicePrincipal(`logs.${stack.region}.${stack.urlSuffix}`)],
      actions: [
        'kms:Encrypt',
        'kms:Decrypt',
        'kms:ReEncryptFrom',
        'kms:ReEncryptTo',
        'kms:GenerateDataKey',
        'kms:DescribeKey',
      ],
      resources: ['*'],
      conditions: { ArnLike: { 'kms:EncryptionContext:aws:logs:arn': logGroups } },
    }),
  );
}
