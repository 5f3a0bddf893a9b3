import { access } from 'node:fs/promises';
import { DescribeInstancesCommand, DescribeVolumesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { mockClient } from 'aws-sdk-client-mock';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { checkAwsConfig } from '../../../src/composition/check-aws-config.ts';
import { type Settings, settingsSchema } from '../../../src/domain/settings.ts';
import { createUserWithRole, type TestUser } from '../../support/backup-user.ts';

let server: StandaloneServer;
let user: TestUser;
beforeAll(async () => {
  server = await startStandalone({ auth: true });
  // Without hostInfo: what this machine's disks are is no part of these tests.
  user = await createUserWithRole(server.client(), 'backup', undefined, 1);
});
afterAll(() => server.stop());

const ec2 = mockClient(EC2Client);
beforeEach(() => {
  ec2.reset();
  for (const name of ['AWS_PROFILE', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])
    vi.stubEnv(name, undefined);
  for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nowhere');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  vi.stubEnv('ORDERS_MONGODB', user.text);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function withCredentials(): void {
  vi.stubEnv('AWS_REGION', 'eu-central-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'id');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'key');
}

const stateDir = '/nowhere/state';
const secret = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:orders-AbCdEf';
function settingsOf(more: object = {}): Settings {
  const orders = {
    ...{ name: 'orders', uri: `mongodb://${server.host}/?directConnection=true`, storage: 'primary' },
    ...{
      member: {},
      compression: {},
      limits: { parallel: 4 },
      mongodbVersion: '6.0.5',
      credentials: { env: 'ORDERS_MONGODB' },
      volumes: { [server.host]: 'vol-1' },
    },
  };
  return settingsSchema.parse({
    ...{ schemaVersion: 1, stage: 'test', stateDir },
    network: {
      ...{ vpcId: 'vpc-1', availabilityZones: ['a'], privateSubnetIds: ['subnet-1'], securityGroupIds: ['sg-1'] },
      ...{ privateSubnetRouteTableIds: ['rtb-1'], createEndpoints: false },
    },
    storages: { primary: { name: 'primary', type: 's3', prefix: 'holdfast/', forcePathStyle: false } },
    deployments: { orders: { ...orders, ...more } },
  });
}

describe('config check --connect of a stage on AWS', () => {
  it('finds the volumes by EC2, and says method, volume and why', async () => {
    withCredentials();
    const Attachments = [{ InstanceId: 'i-1', Device: '/dev/sdf' }];
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [{ VolumeId: 'vol-1', Size: 10, Attachments }] });
    ec2.on(DescribeInstancesCommand).resolves({ Reservations: [{ Instances: [{ InstanceId: 'i-1' }] }] });
    const report = await checkAwsConfig(settingsOf());
    expect(report).toMatchObject({
      ...{ ok: true, storages: [] },
      deployments: [
        {
          ...{ kind: 'standalone', method: { method: 'snapshot' }, problems: [], notChecked: null },
          parts: [
            { member: server.host, volume: expect.stringMatching(/^vol-1 of i-1, named under volumes/) as string },
          ],
        },
      ],
    });
    expect(report.notChecked.join('\n')).toMatch(/state: the stack makes it.*\n.*primary: the stack makes its bucket/);
    await expect(access(stateDir)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('says what to grant where EC2 refuses to describe', async () => {
    withCredentials();
    const $metadata = { httpStatusCode: 403 };
    ec2
      .on(DescribeVolumesCommand)
      .rejects(Object.assign(new Error('no'), { name: 'UnauthorizedOperation', $metadata }));
    expect((await checkAwsConfig(settingsOf())).deployments[0]?.problems).toMatchObject([
      { name: 'PermissionDenied', next: expect.stringContaining('ec2:DescribeVolumes') as string },
    ]);
  });

  it('without credentials of AWS asks EC2 nothing, and says what was not checked, and how it would be', async () => {
    const { ok, deployments } = await checkAwsConfig(settingsOf());
    expect(ok).toBe(true);
    expect(deployments).toMatchObject([
      {
        ...{ kind: 'standalone', method: null, problems: [] },
        ...{
          parts: [{ member: server.host, volume: null }],
          notChecked: expect.stringMatching(/EC2.*AWS_PROFILE/) as string,
        },
      },
    ]);
    expect(ec2.calls()).toEqual([]);
  });

  it('leaves out what only a secret of AWS opens, where there are no credentials for it', async () => {
    const { ok, deployments, notChecked } = await checkAwsConfig(settingsOf({ credentials: secret }));
    expect({ ok, deployments }).toEqual({ ok: true, deployments: [] });
    expect(notChecked.join('\n')).toMatch(/The deployment orders: its credentials are a secret of AWS .*AWS_REGION/);
  });
});
