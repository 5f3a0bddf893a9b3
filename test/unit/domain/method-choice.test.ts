import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { chooseMethod, type MethodWishes, type VolumeVerdict } from '../../../src/domain/method-choice.ts';
import type { Topology } from '../../../src/domain/topology.ts';

function refusalOf(kind: Topology['kind'], wishes: MethodWishes): HoldfastError {
  try {
    chooseMethod({ kind }, wishes);
  } catch (error) {
    if (error instanceof HoldfastError) return error;
  }
  throw new Error('was accepted');
}

const set = { kind: 'replicaSet' } as const;

const methods = ['logical', 'physical', 'snapshot'] as const;
const found: VolumeVerdict = { usable: true, reason: 'vol-1' };
const unusable: VolumeVerdict = { usable: false, reason: 'it has partitions' };

describe('chooseMethod, for a replica set', () => {
  it.each(methods)('takes %s when that was asked for, whatever the config says and whatever was found', (requested) => {
    for (const deploymentDefault of [undefined, ...methods])
      for (const volume of [undefined, found, unusable])
        expect(chooseMethod(set, { requested, deploymentDefault }, volume)).toEqual({
          method: requested,
          reason: 'asked for',
        });
  });

  it.each(methods)('takes %s when the schedule says so, and names the schedule', (requested) => {
    for (const deploymentDefault of [undefined, ...methods])
      expect(chooseMethod(set, { requested, schedule: 'nightly', deploymentDefault }, found)).toEqual({
        method: requested,
        reason: 'the method of the schedule nightly',
      });
  });

  it.each(methods)('takes %s when nobody asked and the config says so, whatever was found', (deploymentDefault) => {
    for (const volume of [undefined, found, unusable])
      expect(chooseMethod(set, { deploymentDefault }, volume)).toEqual({
        method: deploymentDefault,
        reason: 'the default of the deployment in the config',
      });
  });

  it.each([
    [found, 'physical', /neither request nor config .* vol-1/],
    [unusable, 'logical', /neither request nor config .* it has partitions/],
    [undefined, 'logical', /no volume is named/],
  ] as const)('goes by the volume when nobody says anything: %o', (volume, method, reason) => {
    const choice = chooseMethod(set, {}, volume);
    expect(choice.method).toBe(method);
    expect(choice.reason).toMatch(reason);
  });
});

describe('chooseMethod, for other deployments', () => {
  it.each([{ requested: 'logical' }, { requested: 'physical' }, { deploymentDefault: 'logical' }] as const)(
    'refuses a standalone another method than snapshot: %o',
    (wishes) => {
      const error = refusalOf('standalone', wishes);
      expect(error.name).toBe('MethodNotAvailable');
      expect(error.message).toMatch(/its only method is snapshot/);
    },
  );

  it.each([{}, { requested: 'snapshot' }, { deploymentDefault: 'snapshot' }] as const)(
    'takes a standalone by snapshot, fixed: %o',
    (wishes) => {
      for (const volume of [undefined, found, unusable])
        expect(chooseMethod({ kind: 'standalone' }, wishes, volume)).toEqual({
          method: 'snapshot',
          reason: 'the only method of a standalone: it has no oplog',
        });
    },
  );

  it('refuses a sharded cluster in this release', () => {
    expect(refusalOf('sharded', {}).name).toBe('UnsupportedTopology');
  });
});
