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

  it('are refused on AWS, where this release snapshots none', async () => {
    const network = `network:
  vpcId: vpc-0123456789abcdef0
  availabilityZones: [eu-central-1a]
  privateSubnetIds: [subnet-0123456789abcdef0]
  securityGroupIds: [sg-0123456789abcdef0]
`;
    const aws = (line: string) =>
      load(config(`credentials: arn:aws:secretsmanager:eu-central-1:1:secret:a\n    ${line}`, network));
    for (const line of ['method: physical', 'lock: true', 'volumes: { "a:1": /data }']) {
      const key = line.split(':')[0] ?? '';
      await expect(aws(line)).rejects.toMatchObject({
        message: expect.stringContaining(`deployments.orders.${key}`) as string,
      });
    }
  });

  it('name members by host:port', async () => {
    await expect(load(config('volumes: { discover: tags }'))).rejects.toMatchObject({
      name: 'InvalidConfig',
      message: expect.stringContaining('deployments.orders.volumes.discover') as string,
    });
  });
});
