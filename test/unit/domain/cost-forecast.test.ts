import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ArchivePolicy } from '../../../src/domain/archive-cost.ts';
import { type CostPolicy, forecastCost, waitsOf } from '../../../src/domain/cost-forecast.ts';
import { prices } from '../../../src/domain/prices.ts';

const policies: fc.Arbitrary<CostPolicy> = fc.record({
  backupsPerMonth: fc.double({ min: 0, max: 10_000, noNaN: true }),
  backupsKept: fc.double({ min: 0, max: 100_000, noNaN: true }),
  parts: fc.integer({ min: 1, max: 50 }),
  rawBytes: fc.integer({ min: 0, max: 2 ** 45 }),
  storedBytes: fc.integer({ min: 0, max: 2 ** 45 }),
  dumpSeconds: fc.double({ min: 0, max: 200_000, noNaN: true }),
  storedOnAws: fc.boolean(),
  zones: fc.integer({ min: 1, max: 6 }),
  endpoints: fc.integer({ min: 0, max: 12 }),
  secrets: fc.integer({ min: 0, max: 3 }),
});
const total = (policy: CostPolicy): number => forecastCost(policy).usdPerMonth;
const usdOf = (policy: CostPolicy, name: string): number =>
  forecastCost(policy).items.find(({ item }) => item === name)?.usd ?? 0;

/** 100 GiB every night, 40 GiB stored in 20 minutes, kept for 30 days. */
const nightly: CostPolicy = {
  ...{ backupsPerMonth: 365 / 12, backupsKept: 30, parts: 1, rawBytes: 100 * 2 ** 30, storedBytes: 40 * 2 ** 30 },
  ...{ dumpSeconds: 1200, storedOnAws: true, zones: 2, endpoints: 8, secrets: 2 },
};

describe('a forecast of cost', () => {
  it('is the sum of its items, the dearest first, none of them nothing', () => {
    fc.assert(
      fc.property(policies, (policy) => {
        const { items, usdPerMonth, usdOfDeployment } = forecastCost(policy);
        const usd = items.map((item) => item.usd);
        expect(usdPerMonth).toBeCloseTo(
          usd.reduce((sum, each) => sum + each, 0),
          6,
        );
        expect(usdOfDeployment).toBeLessThanOrEqual(usdPerMonth);
        expect(usd).toEqual(usd.toSorted((a, b) => b - a));
        for (const item of items) {
          expect(item.quantity).toBeGreaterThan(0);
          expect(item.usd).toBeCloseTo(item.quantity * item.usdEach, 9);
        }
        expect(new Set(items.map(({ item }) => item)).size).toBe(items.length);
      }),
    );
  });

  const grow = [
    'backupsPerMonth',
    'backupsKept',
    'rawBytes',
    'storedBytes',
    'dumpSeconds',
    'parts',
    'secrets',
  ] as const;
  it.each([...grow, 'endpoints', 'zones'] as const)('does not fall when there is more of %s', (key) => {
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 1000 }), (policy, more) => {
        expect(total({ ...policy, [key]: policy[key] + more })).toBeGreaterThanOrEqual(total(policy) - 1e-9);
      }),
    );
  });

  it('doubles what a backup costs when there are twice as many', () => {
    fc.assert(
      fc.property(policies, (policy) => {
        const one = { ...policy, backupsKept: 0, secrets: 0, storedBytes: 0 };
        const two = { ...one, backupsPerMonth: one.backupsPerMonth * 2 };
        expect(forecastCost(two).usdOfDeployment).toBeCloseTo(2 * forecastCost(one).usdOfDeployment, 6);
      }),
    );
  });

  it('has the stage’s own cost for a deployment that is never backed up', () => {
    const { items } = forecastCost({ ...nightly, backupsPerMonth: 0, backupsKept: 0, secrets: 0 });
    expect(new Set(items.map(({ of }) => of))).toEqual(new Set(['stage']));
  });

  it('counts by hand', () => {
    const hours = (nightly.backupsPerMonth * 1260) / 3600;
    expect(usdOf(nightly, 'Fargate, vCPU')).toBeCloseTo(hours * 2 * prices.fargateVcpu.usd, 9);
    expect(usdOf(nightly, 'Fargate, memory')).toBeCloseTo(hours * 4 * prices.fargateMemory.usd, 9);
    expect(usdOf(nightly, 'S3, storage')).toBeCloseTo(30 * 40 * 0.023, 9);
    expect(usdOf(nightly, 'VPC endpoints')).toBeCloseTo(8 * 2 * 730 * 0.01, 9);
    // Half of the tasks run in the member's zone.
    expect(usdOf(nightly, 'data between zones')).toBeCloseTo(((365 / 12) * 100 * 2 * 0.01) / 2, 9);
  });

  it('bills a task for a minute at least', () => {
    const quick = { ...nightly, dumpSeconds: 0, backupsPerMonth: 60, parts: 1 };
    expect(usdOf(quick, 'Fargate, vCPU')).toBeCloseTo(2 * prices.fargateVcpu.usd, 9);
  });

  it('leaves out what another’s server stores', () => {
    expect(usdOf({ ...nightly, storedOnAws: false }, 'S3, storage')).toBe(0);
    expect(usdOf({ ...nightly, storedOnAws: false }, 'S3, writes')).toBeGreaterThan(0);
  });
});

describe('waits of a backup’s machine', () => {
  it.each([
    [0, 0],
    [5, 1],
    [6, 2],
    [100, 20],
    // Two days: far from the 25,000 events of an execution.
    [172_800, 659],
  ])('while a dump of %i s runs are %i', (seconds, waits) => {
    expect(waitsOf(seconds)).toBe(waits);
  });
});

describe('an oplog archive', () => {
  const idle: ArchivePolicy = {
    ...{ sets: 1, oplogBytesPerDay: 0, retentionDays: 8, verify: 'all' as const, storedOnAws: true },
  };
  const costs = (archive: ArchivePolicy) =>
    forecastCost({ ...nightly, archive }).usdOfDeployment - forecastCost(nightly).usdOfDeployment;

  it('costs less than 3 USD a month for a set that does nothing, with a turn every minute', () => {
    expect(costs(idle)).toBeLessThan(3);
    // Each part, so that none grows unseen.
    const { items } = forecastCost({ ...nightly, archive: idle });
    const parts = items.filter(({ item }) => item.startsWith('archive, '));
    expect(Object.fromEntries(parts.map(({ item, usd }) => [item.slice(9), Number(usd.toFixed(2))]))).toEqual({
      'Lambda duration': 1.33,
      secrets: 0.44,
      alarms: 0.3,
      KMS: 0.27,
      'S3 writes': 0.23,
      logs: 0.2,
      'workflow duration': 0.14,
      'S3 reads': 0.07,
      workflow: 0.04,
      'Lambda requests': 0.02,
    });
  });

  it('is stored for as long as it is kept, in a storage of AWS', () => {
    const busy = { ...idle, oplogBytesPerDay: 10 * 2 ** 30 };
    const stored = (archive: ArchivePolicy) =>
      forecastCost({ ...nightly, archive }).items.find(({ item }) => item === 'archive, S3 storage')?.usd ?? 0;
    expect(stored(busy)).toBeCloseTo(10 * 8 * 0.4 * 0.023, 9);
    expect(stored({ ...busy, storedOnAws: false })).toBe(0);
    expect(costs(busy)).toBeGreaterThan(costs(idle));
    expect(costs({ ...busy, retentionDays: 30 })).toBeGreaterThan(costs(busy));
    expect(costs({ ...busy, verify: 'sample' })).toBeLessThan(costs(busy));
  });
});
