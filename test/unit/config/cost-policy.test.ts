import { describe, expect, it } from 'vitest';
import { type CostQuestion, costPolicyOf } from '../../../src/config/cost-policy.ts';
import { type Settings, settingsSchema } from '../../../src/domain/settings.ts';
import { stageSettings } from '../../support/aws/synthesise.ts';

const now = new Date('2026-11-22T12:00:00Z');
const gib = 2 ** 30;
const ask = (question: Partial<CostQuestion> = {}, settings: Settings = stageSettings) =>
  costPolicyOf(settings, { deployment: 'orders', rawBytes: 100 * gib, now, ...question });

/** `orders` with other schedules. */
function scheduled(schedules: Record<string, { cron: string; timezone?: string; storage?: string }>): Settings {
  const { orders } = stageSettings.deployments;
  return settingsSchema.parse({
    ...stageSettings,
    deployments: { orders: { ...orders, schedules } },
  });
}

describe('a policy', () => {
  it.each([
    [{ nightly: { cron: '0 2 * * ? *' } }, 365 / 12],
    [{ nightly: { cron: '0 2 * * ? *', timezone: 'Europe/Berlin' }, hourly: { cron: '0 * * * ? *' } }, (25 * 365) / 12],
    [{ weekly: { cron: '0 5 ? * SUN *' } }, 52 / 12],
    [{ often: { cron: '*/5 * * * ? *' } }, (288 * 365) / 12],
    [{ over: { cron: '0 2 * * ? 2020' } }, 0],
    // Counted as one a day, and said.
    [{}, 365 / 12],
  ])('has as many backups as its schedules start: %j', (schedules, perMonth) => {
    const { policy, assumptions } = ask({}, scheduled(schedules));
    expect(policy.backupsPerMonth / Math.max(perMonth, 1)).toBeCloseTo(perMonth === 0 ? 0 : 1, 1);
    expect(assumptions.some((text) => text.includes('no schedules'))).toBe(Object.keys(schedules).length === 0);
  });

  it('counts with what was measured, in proportion to another size', () => {
    const measured = { count: 3, rawBytes: 50 * gib, storedBytes: 10 * gib, seconds: 600 };
    expect(ask({ measured, rawBytes: undefined }).policy).toMatchObject({
      ...{ rawBytes: 50 * gib, storedBytes: 10 * gib, dumpSeconds: 600 },
    });
    const { policy, assumptions } = ask({ measured });
    expect(policy).toMatchObject({ rawBytes: 100 * gib, storedBytes: 20 * gib, dumpSeconds: 1200 });
    expect(assumptions[0]).toMatch(/last 3 backups, in proportion/);
  });

  it('says what it assumes where nothing was measured', () => {
    const { policy, assumptions } = ask();
    expect(policy).toMatchObject({ storedBytes: 40 * gib, dumpSeconds: 1024 });
    expect(assumptions[0]).toMatch(/No backup has been measured/);
  });

  it('keeps a year of backups when nobody says for how long, and what a bucket of the stack keeps of deleted ones', () => {
    // 02:00 in Berlin, but for the night that has none.
    expect(ask().policy.backupsKept).toBe(364);
    expect(ask({ keepDays: 14 }).policy.backupsKept).toBeCloseTo(44, 0);
    expect(ask({ keepDays: 14, deployment: 'users' }).policy.backupsKept).toBeCloseTo(14, 0);
  });

  it('has the endpoints that the stack makes, in each zone, and each secret once', () => {
    // One of them is EventBridge Scheduler's, for the watchdogs of locks.
    expect(ask().policy).toMatchObject({ zones: 2, endpoints: 9, secrets: 2 });
    const { orders, users } = stageSettings.deployments;
    const without = { ...stageSettings, deployments: { orders, users: { ...users, lock: false } } };
    expect(ask({}, settingsSchema.parse(without)).policy.endpoints).toBe(8);
    const { policy, assumptions } = ask({}, { ...stageSettings, network: { ...network(), createEndpoints: false } });
    expect(policy.endpoints).toBe(0);
    expect(assumptions.at(-1)).toMatch(/NAT/);
  });

  it('leaves out what is not on AWS’s bill', () => {
    const minio = {
      name: 'primary',
      type: 's3',
      bucket: 'b',
      prefix: '',
      endpoint: 'https://minio',
      forcePathStyle: true,
    };
    const { policy, assumptions } = ask(
      {},
      {
        ...stageSettings,
        storages: { ...stageSettings.storages, primary: minio as Settings['storages'][string] },
      },
    );
    expect(policy.storedOnAws).toBe(false);
    expect(assumptions).toContainEqual(expect.stringMatching(/not on its bill/));
  });

  it.each([
    [{ deployment: 'order' }, 'UnknownDeployment', /Use one of: orders, users/],
    [{ rawBytes: undefined }, 'InvalidInput', /--size/],
  ])('refuses %j', (question, name, next) => {
    expect(() => ask(question)).toThrow(
      expect.objectContaining({ name, next: expect.stringMatching(next) as string }) as Error,
    );
  });

  it('is one of AWS', () => {
    const here = settingsSchema.parse({ ...stageSettings, network: undefined });
    expect(() => ask({}, here)).toThrow(/no network/);
  });
});

function network(): NonNullable<Settings['network']> {
  if (stageSettings.network === undefined) throw new Error('the stage has no network');
  return stageSettings.network;
}
