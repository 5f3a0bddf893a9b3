import { describe, expect, it } from 'vitest';
import { renderSchedules } from '../../../cli/output/schedule-tables.ts';
import type { ConfigProblem } from '../../../src/config/config-problems.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import type { HoldfastError } from '../../../src/domain/errors.ts';

const network = `network:
  vpcId: vpc-0123456789abcdef0
  availabilityZones: [eu-central-1a]
  privateSubnetIds: [subnet-0123456789abcdef0]
  securityGroupIds: [sg-0123456789abcdef0]`;

const file = (schedule: string, more = network): string => `stage: prod
storages: { primary: { type: s3 } }
deployments:
  orders:
    uri: mongodb://a/?replicaSet=rs0
    schedules: { nightly: { ${schedule} } }
${more}`;

const load = (text: string) => loadConfig('/etc/holdfast/holdfast.config.yaml', () => Promise.resolve(text));

async function problemsOf(text: string): Promise<string[]> {
  const error = (await load(text).catch((reason: unknown) => reason)) as HoldfastError;
  return (error.details['problems'] as readonly ConfigProblem[]).map(({ path, expected }) => `${path}: ${expected}`);
}

describe('a config for AWS', () => {
  it('leaves the bucket to the stack, and has a network and schedules', async () => {
    const settings = await load(file('cron: "0 2 * * ? *", timezone: Europe/Berlin'));
    expect(settings.storages['primary']).toEqual({ name: 'primary', type: 's3', prefix: '', forcePathStyle: false });
    expect(settings.network?.vpcId).toBe('vpc-0123456789abcdef0');
    expect(settings.deployments['orders']?.schedules).toEqual({
      nightly: { cron: '0 2 * * ? *', timezone: 'Europe/Berlin' },
    });
  });

  it('names every fault of a schedule at once', async () => {
    expect(await problemsOf(file('cron: "0 2 * * *", timezone: Berlin, storage: primry'))).toEqual([
      expect.stringMatching(/^deployments.orders.schedules.nightly.cron: six fields/),
      'deployments.orders.schedules.nightly.timezone: the name of a time zone',
      'deployments.orders.schedules.nightly.storage: one of primary',
    ]);
  });

  it('has neither schedules nor buckets where no stack makes them', async () => {
    expect(await problemsOf(file('cron: "0 2 * * ? *"', ''))).toEqual([
      'storages.primary.bucket: the name of a bucket',
      'storages.primary.region: the region of the bucket',
      'deployments.orders.schedules: no schedules: they run on AWS alone',
    ]);
  });

  it('shows when its schedules start next', async () => {
    const settings = await load(file('cron: "0 2 * * ? *", timezone: Europe/Berlin'));
    const text = renderSchedules(settings, new Date('2026-11-22T12:00:00Z'));
    expect(text).toContain('2026-11-23 01:00, 2026-11-24 01:00, 2026-11-25 01:00');
    expect(renderSchedules({ ...settings, deployments: {} }, new Date())).toBeUndefined();
  });
});
