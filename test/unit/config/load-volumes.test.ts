import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load-config.ts';
import type { Settings } from '../../../src/domain/settings.ts';

const config = (deployment: string, top = '') => `
storages:
  laptop: { type: directory, path: ./backups }
deployments:
  orders:
    uri: mongodb://a:1,b:2/?replicaSet=rs0
    ${deployment}
${top}`;

const load = (text: string): Promise<Settings> => loadConfig('/etc/holdfast/config.yaml', () => Promise.resolve(text));

describe('volumes in the config', () => {
  it('are the data directories of members, relative to the file; members may be locked only when it says so', async () => {
    const text = config('volumes: { "a:1": data/a, "[::1]:2": /b }\n    lock: true\n    method: physical');
    expect((await load(text)).deployments['orders']).toMatchObject({
      ...{ lock: true, method: 'physical' },
      volumes: { 'a:1': '/etc/holdfast/data/a', '[::1]:2': '/b' },
    });
    expect((await load(config('method: snapshot'))).deployments['orders']).not.toHaveProperty('lock');
  });

  const network = `network:
  vpcId: vpc-0123456789abcdef0
  availabilityZones: [eu-central-1a]
  privateSubnetIds: [subnet-0123456789abcdef0]
  securityGroupIds: [sg-0123456789abcdef0]
`;
  const aws = (...lines: string[]) =>
    load(config(['credentials: arn:aws:secretsmanager:eu-central-1:1:secret:a', ...lines].join('\n    '), network));

  it('are EBS volumes on AWS, one or several for a member, or found by tags', async () => {
    const named = await aws('mongodbVersion: 6.0.5', 'volumes: { "a:1": vol-01, "b:2": [vol-02, vol-03] }');
    expect(named.deployments['orders']?.volumes).toEqual({ 'a:1': 'vol-01', 'b:2': ['vol-02', 'vol-03'] });
    const found = await aws(
      'mongodbVersion: 6.0.5',
      'method: physical',
      'ebs: { tags: { data: orders }, dataPath: db }',
    );
    expect(found.deployments['orders']).toMatchObject({
      ...{ method: 'physical', ebs: { tags: { data: 'orders' }, filesystem: 'xfs', dataPath: 'db' } },
    });
  });

  it.each([
    [['method: physical'], 'method'],
    [['schedules: { nightly: { cron: "0 2 * * ? *", method: snapshot } }'], 'schedules.nightly.method'],
    [['mongodbVersion: 6.0.5', 'volumes: { "a:1": /data }'], 'volumes.a:1'],
    [['volumes: { "a:1": vol-01 }'], 'mongodbVersion'],
    [['lock: true'], 'lock'],
    [['mongodbVersion: 6.0.5', 'ebs: { filesystem: ext4 }'], 'ebs'],
    [['mongodbVersion: 6.0.5', 'ebs: { instance: true, dataPath: ../etc }'], 'ebs.dataPath'],
  ])('are refused on AWS where a backup would fail by them: %j', async (lines, key) => {
    await expect(aws(...lines)).rejects.toMatchObject({
      ...{ name: 'InvalidConfig', message: expect.stringContaining(`deployments.orders.${key}`) as string },
    });
  });

  it.each([
    ['volumes: { "a:1": [data/a, data/b] }', 'volumes.a:1'],
    ['ebs: { instance: true }', 'ebs'],
  ])('are no EBS volumes elsewhere: %s', async (line, key) => {
    await expect(load(config(line))).rejects.toMatchObject({
      ...{ name: 'InvalidConfig', message: expect.stringContaining(`deployments.orders.${key}`) as string },
    });
  });

  it('name members by host:port', async () => {
    await expect(load(config('volumes: { discover: tags }'))).rejects.toMatchObject({
      name: 'InvalidConfig',
      message: expect.stringContaining('deployments.orders.volumes.discover') as string,
    });
  });
});
