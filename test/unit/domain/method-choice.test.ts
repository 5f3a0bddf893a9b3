import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { chooseMethod, type MethodWishes } from '../../../src/domain/method-choice.ts';
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

describe('chooseMethod', () => {
  it('takes what was asked for, else what the config says, and says which', () => {
    expect(chooseMethod(set, { requested: 'logical', deploymentDefault: 'physical' })).toEqual({
      method: 'logical',
      reason: 'asked for',
    });
    expect(chooseMethod(set, { requested: 'snapshot' }).method).toBe('snapshot');
    expect(chooseMethod(set, { deploymentDefault: 'physical' })).toMatchObject({
      method: 'physical',
      reason: expect.stringContaining('config') as string,
    });
  });

  it('takes physical of itself where a volume can be snapshotted, logical where none can, and says why', () => {
    expect(chooseMethod(set, {}, { usable: true, reason: 'vol-1' })).toMatchObject({
      method: 'physical',
      reason: expect.stringMatching(/neither request nor config .* vol-1/) as string,
    });
    expect(chooseMethod(set, {}, { usable: false, reason: 'it has partitions' })).toMatchObject({
      method: 'logical',
      reason: expect.stringContaining('it has partitions') as string,
    });
    expect(chooseMethod(set)).toMatchObject({ method: 'logical' });
  });

  it.each(['logical', 'physical'] as const)('refuses %s for a standalone: its method is snapshot', (requested) => {
    const error = refusalOf('standalone', { requested });
    expect(error.name).toBe('MethodNotAvailable');
    expect(error.message).toMatch(/its only method is snapshot/);
  });

  it.each([{}, { requested: 'snapshot' }] as const)('takes a standalone by snapshot: %o', (wishes) => {
    expect(chooseMethod({ kind: 'standalone' }, wishes)).toMatchObject({ method: 'snapshot' });
  });

  it('refuses a sharded cluster in this release', () => {
    expect(refusalOf('sharded', {}).name).toBe('UnsupportedTopology');
  });
});
