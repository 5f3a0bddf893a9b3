import { describe, expect, test } from 'vitest';
import { pricesDate } from '../../../src/domain/prices.ts';
import { type EstimateInput, estimateRestore, restoreEstimateSchema } from '../../../src/domain/restore-estimate.ts';

const tib = 2 ** 40;
const empty: EstimateInput['volume'] = {
  ...{ type: 'gp3', sizeGiB: 1_200, iops: 3_000, throughput: 125, initialization: 'lazy', snapshot: null },
};
const input = (more: Partial<EstimateInput['volume']> = {}): EstimateInput => ({
  ...{ volume: { ...empty, ...more }, rawBytes: tib, snapshotBytes: tib, entries: 0 },
});
const ofSnapshot = (initialization: EstimateInput['volume']['initialization']) =>
  estimateRestore(input({ snapshot: 'snap-1', sizeGiB: 1_024, initialization }));

describe('what a restore to a volume takes', () => {
  test('of files is the time to lay them at what the task moves, and the price of task and volume meanwhile', () => {
    const estimate = estimateRestore(input());
    // 2^20 MiB at 75 MiB/s, and four minutes for task and servers.
    expect(estimate.seconds).toBeCloseTo(2 ** 20 / 75 + 240, 5);
    const hours = (estimate.seconds ?? 0) / 3600;
    expect(estimate.usd).toBeCloseTo(hours * (2 * 0.03238 + 4 * 0.00356 + (1_200 * 0.08) / 730), 6);
    expect(estimate.usdPerMonth).toBeCloseTo(96, 6);
    expect(estimate.initializations).toEqual([]);
    expect(estimate.assumptions.join(' ')).toContain(pricesDate);
    expect(restoreEstimateSchema.parse(estimate)).toEqual(estimate);
  });

  test('grows with the oplog that is recovered', () => {
    const more = estimateRestore({ ...input(), entries: 50_000 * 600 });
    expect((more.seconds ?? 0) - (estimateRestore(input()).seconds ?? 0)).toBeCloseTo(600, 6);
  });

  test('counts what is bought beyond what every gp3 has', () => {
    expect(estimateRestore(input({ iops: 4_000, throughput: 225 })).usdPerMonth).toBeCloseTo(96 + 5 + 4, 6);
    expect(estimateRestore(input({ type: 'io2', iops: 1_000, throughput: null })).usdPerMonth).toBeCloseTo(150 + 65, 6);
  });
});

describe('ways to load a snapshot', () => {
  test('are all shown, with their time and price', () => {
    expect(ofSnapshot('lazy').initializations).toMatchObject([
      { initialization: 'lazy', secondsBefore: 0, secondsUntilLoaded: null, usd: 0 },
      { initialization: { rate: 100 }, secondsUntilLoaded: 2 ** 20 / 100 },
      { initialization: { rate: 300 }, secondsBefore: 0, secondsUntilLoaded: 2 ** 20 / 300 },
      { initialization: 'fast' },
    ]);
    const [, slow, quick] = ofSnapshot('lazy').initializations;
    expect(slow?.usd).toBeCloseTo(1_024 * 0.0012, 6);
    expect(quick?.usd).toBeCloseTo(1_024 * 0.0036, 6);
  });

  test('by fast snapshot restore come before the volume: loading, and the credit that one volume takes', () => {
    const { initializations, seconds } = ofSnapshot('fast');
    const fast = initializations.find(({ initialization }) => initialization === 'fast');
    expect(fast).toMatchObject({ secondsBefore: 7_200, secondsUntilLoaded: 7_200 });
    expect(fast?.usd).toBeCloseTo(((seconds ?? 0) / 3600) * 0.75, 6);
    expect(seconds).toBeCloseTo(7_200 + 240, 5);
  });

  test('by fast snapshot restore are billed for an hour at least', () => {
    const small = estimateRestore({
      ...input({ snapshot: 'snap-1', initialization: 'fast', sizeGiB: 10 }),
      snapshotBytes: 2 ** 30,
    });
    expect(small.initializations.at(-1)?.usd).toBeCloseTo(0.75, 6);
  });

  test('lazily let nobody say when it is ready', () => {
    expect(ofSnapshot('lazy').seconds).toBeNull();
    expect(ofSnapshot({ rate: 300 }).seconds).toBeCloseTo(240, 5);
    expect(ofSnapshot({ rate: 300 }).usd).toBeGreaterThan(ofSnapshot('lazy').usd + 3.6);
  });

  test('show a rate that is not among the usual ones', () => {
    expect(ofSnapshot({ rate: 250 }).initializations.map(({ initialization }) => initialization)).toContainEqual({
      rate: 250,
    });
  });
});
