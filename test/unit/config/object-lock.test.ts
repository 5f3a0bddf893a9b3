import { describe, expect, it } from 'vitest';
import type { ConfigProblem } from '../../../src/config/config-problems.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';

/** `locked` locks, `open` does not. */
function config(deployment: string): string {
  return [
    'storages:',
    '  locked: { type: s3, bucket: locked-1, region: r, objectLock: compliance }',
    '  open: { type: s3, bucket: open-1, region: r }',
    'deployments:',
    `  orders: { uri: "mongodb://a/?replicaSet=rs0", ${deployment} }`,
    'network: { vpcId: vpc-0a, availabilityZones: [a], privateSubnetIds: [subnet-0a], securityGroupIds: [sg-0a] }',
  ].join('\n');
}
const load = (deployment: string) => loadConfig('/etc/holdfast.config.yaml', () => Promise.resolve(config(deployment)));

async function problemsOf(deployment: string): Promise<readonly ConfigProblem[]> {
  const error = await load(deployment).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HoldfastError);
  return (error as HoldfastError).details['problems'] as readonly ConfigProblem[];
}

describe('Object Lock in the config', () => {
  it('is a storage’s, with the deployment’s retention', async () => {
    const { storages, deployments } = await load('storage: locked, retention: { days: 14 }');
    expect(storages['locked']).toMatchObject({ objectLock: 'compliance' });
    expect(deployments['orders']).toMatchObject({ retention: { days: 14 } });
  });

  const nightly = 'schedules: { nightly: { cron: "0 2 * * ? *", storage: locked } }';
  it.each([
    ['storage: locked', 'retention', /how long backups in locked are locked/],
    [`storage: open, ${nightly}`, 'retention', /how long backups in locked are locked/],
    ['storage: open, retention: { days: 14 }', 'retention', /none of its storages has objectLock/],
    ['storage: locked, retention: { days: 0 }', 'retention.days', />=1/],
    ['storage: locked, retention: { days: 14, daily: 7 }', 'retention.daily', /this release does not carry it out/],
    [
      'storage: locked, retention: { days: 14 }, oplogArchive: { enabled: true }',
      'oplogArchive',
      /slices of the archive are not locked/,
    ],
  ])('refuses %s', async (deployment, key, expected) => {
    expect(await problemsOf(deployment)).toMatchObject([
      { path: `deployments.orders.${key}`, expected: expect.stringMatching(expected) as string },
    ]);
  });

  it('may be for the schedule’s storage, or leave the archive to another', async () => {
    await load(`storage: open, retention: { days: 14 }, ${nightly}`);
    await load('storage: locked, retention: { days: 14 }, oplogArchive: { enabled: true, storage: open }');
  });
});
