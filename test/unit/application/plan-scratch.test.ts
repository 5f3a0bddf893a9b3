import { describe, expect, test } from 'vitest';
import { planScratch } from '../../../src/application/plan-scratch.ts';
import type { Base } from '../../../src/domain/base.ts';
import type { Manifest, ManifestPart } from '../../../src/domain/manifest.ts';
import type { FilesPart } from '../../../src/domain/manifest-parts.ts';
import { at } from '../../support/oplog-entries.ts';

const gib = 2 ** 30;
const slice = { entries: 500_000, rawBytes: gib } as NonNullable<ManifestPart['oplog']>['slices'][number];
const physical = { method: 'physical', rawBytes: 100 * gib } as unknown as Base;

const planOf = (base: Base, mongodbVersions = ['6.0.5', '6.0.16']) => {
  const part = { name: 'rs0', base, point: at(1), oplog: { from: at(1), to: at(2), slices: [slice] } } as FilesPart;
  const manifest = { backupId: 'b1', deployment: 'orders', serverVersion: '6.0.9', parts: [part] };
  return planScratch({ manifest: manifest as unknown as Manifest, part, slices: [] }, { mongodbVersions });
};

describe('the volume by way of which a physical base goes to a server', () => {
  test('has room for the files, their recovery and their collections, and a mongod that reads them', () => {
    expect(planOf(physical).scratch).toEqual({
      // 1.2 × 2 × (100 GiB of files, 1 GiB of oplog twice, and a constant)
      ...{ type: 'gp3', sizeGiB: 246, iops: 3_000, throughput: 125, filesystem: 'xfs', kmsKey: null, snapshot: null },
      ...{ initialization: 'lazy', dataPath: '', mongodbVersion: '6.0.16' },
    });
  });

  test('takes its time for each way of the bytes, and nothing a month', () => {
    const { estimate } = planOf(physical);
    const mib = 100 * 1024;
    expect(estimate.seconds).toBeCloseTo(240 + (3 * mib) / 75 + mib / 40 + 10, 5);
    expect(estimate.usdPerMonth).toBe(0);
    expect(estimate.usd).toBeGreaterThan(0);
    expect(estimate.assumptions.join('\n')).toMatch(/40 MiB\/s of files into the target/);
  });

  test('is refused where no image has a mongod that reads the files, and where no volume holds them', () => {
    expect(() => planOf(physical, ['6.0.5'])).toThrow(expect.objectContaining({ name: 'MongodUnavailable' }));
    const large = { ...physical, rawBytes: 9 * 1024 * gib } as Base;
    expect(() => planOf(large)).toThrow(
      expect.objectContaining({
        name: 'TargetNotSuitable',
        message: expect.stringMatching(/needs a volume of \d+ GiB; a task gets one of at most 16384/) as string,
      }),
    );
  });
});
