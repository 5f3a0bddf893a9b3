import * as cdk from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { describe, expect, it } from 'vitest';
import { StagePermissions } from '../../lib/permissions/stage-permissions.ts';
import { StageStorage } from '../../lib/storage/stage-storage.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { stageSettings } from '../support/aws/synthesise.ts';

const { orders, ...otherDeployments } = stageSettings.deployments;
const { primary, ...otherStorages } = stageSettings.storages;

describe('credentials that functions and tasks could not read', () => {
  it('of a database end the synthesis', () => {
    const stack = new cdk.Stack();
    const key = new kms.Key(stack, 'Key');
    const permissions = new StagePermissions({
      settings: { ...stageSettings, deployments: { ...otherDeployments, orders: fromVariable(orders) } } as Settings,
      key,
      stateBucket: new s3.Bucket(stack, 'State'),
      artifacts: [],
    });
    const role = new iam.Role(stack, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    expect(() => {
      permissions.readDatabaseUsers(role, 'credentials');
    }).toThrow(/deployments\.orders\.credentials: on AWS they are the ARN of a secret/);
  });

  it('of a storage end the synthesis', () => {
    const stack = new cdk.Stack();
    stack.node.setContext('@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy', true);
    const settings = { ...stageSettings, storages: { ...otherStorages, primary: fromVariable(primary) } } as Settings;
    expect(() => new StageStorage(stack, 'Storage', { settings, key: new kms.Key(stack, 'Key') })).toThrow(
      /storages\.primary\.credentials: on AWS they are the ARN of a secret/,
    );
  });
});

function fromVariable<T>(of: T): T {
  return { ...of, credentials: { env: 'SECRET' } };
}
