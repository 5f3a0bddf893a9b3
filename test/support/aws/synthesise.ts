import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as cdk from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { StageStack } from '../../../lib/stage-stack.ts';
import { type Settings, settingsSchema } from '../../../src/domain/settings.ts';

const secret = (name: string): string => `arn:aws:secretsmanager:eu-central-1:111122223333:secret:${name}-AbCdEf`;
export const backupSecret = secret('orders-backup');
export const restoreSecret = secret('orders-restore');

/** A stage with everything that a config may ask of it. */
export const stageSettings: Settings = settingsSchema.parse({
  schemaVersion: 1,
  stage: 'test',
  stateDir: '/state',
  storages: {
    primary: { name: 'primary', type: 's3', prefix: 'holdfast/', forcePathStyle: false, objectLock: 'governance' },
    shared: { name: 'shared', type: 's3', bucket: 'team-backups', prefix: 'mongodb/', forcePathStyle: false },
  },
  deployments: {
    orders: {
      name: 'orders',
      uri: 'mongodb://orders-1.internal,orders-2.internal/?replicaSet=rs0',
      credentials: backupSecret,
      restoreCredentials: restoreSecret,
      mongodbVersion: '6.0.5',
      method: 'logical',
      ebs: { tags: { 'holdfast:data': 'orders' }, filesystem: 'ext4' },
      storage: 'primary',
      member: { maxLagSeconds: 60 },
      compression: {},
      limits: { parallel: 2 },
      retention: { days: 14 },
      schedules: { nightly: { cron: '0 2 * * ? *', timezone: 'Europe/Berlin' } },
      oplogArchive: { enabled: true, storage: 'primary', newBaseOnGap: true },
    },
    users: {
      name: 'users',
      uri: 'mongodb://users-1.internal/?replicaSet=rs1',
      credentials: secret('users-backup'),
      mongodbVersion: '6.0.5',
      method: 'logical',
      lock: true,
      volumes: { 'users-1.internal:27017': 'vol-0123456789abcdef0' },
      storage: 'shared',
      member: {},
      compression: {},
      limits: { parallel: 4 },
    },
  },
  network: {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['eu-central-1a', 'eu-central-1b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    privateSubnetRouteTableIds: ['rtb-0123456789abcdef0', 'rtb-0123456789abcdef1'],
    securityGroupIds: ['sg-0123456789abcdef0'],
    createEndpoints: true,
  },
});

/** Synthesises a stage as `cdk synth` does, cdk-nag included: a finding throws. @returns the path of the template */
export function synthesise(outdir: string, settings: Settings = stageSettings): string {
  const file = readFileSync(new URL('../../../cdk.json', import.meta.url), 'utf8');
  const { context } = JSON.parse(file) as { context: Record<string, unknown> };
  const app = new cdk.App({ context, outdir });
  const stack = new StageStack(app, `holdfast-${settings.stage}`, { settings });
  cdk.Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
  return join(outdir, stack.templateFile);
}
