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

describe('chooseMethod', () => {
  it('takes logical for a replica set, and says which rule picked it', () => {
    expect(chooseMethod({ kind: 'replicaSet' })).toMatchObject({ method: 'logical' });
    expect(chooseMethod({ kind: 'replicaSet' }).reason).toContain('neither request nor config');
    expect(chooseMethod({ kind: 'replicaSet' }, { deploymentDefault: 'logical' }).reason).toContain('config');
    expect(chooseMethod({ kind: 'replicaSet' }, { requested: 'logical' }).reason).toBe('asked for');
  });

  it('lets the request win over the config', () => {
    expect(chooseMethod({ kind: 'replicaSet' }, { requested: 'logical', deploymentDefault: 'physical' }).method).toBe(
      'logical',
    );
    expect(refusalOf('replicaSet', { requested: 'physical', deploymentDefault: 'logical' }).message).toContain(
      'physical',
    );
  });

  it.each(['snapshot', 'physical'] as const)('refuses %s for a replica set in this release', (requested) => {
    const error = refusalOf('replicaSet', { requested });
    expect(error.name).toBe('MethodNotAvailable');
    expect(error.message).toBe(`The method ${requested} is not in this release.`);
    expect(error.next).toContain('logical');
  });

  it.each(['logical', 'physical'] as const)('refuses %s for a standalone: its method is snapshot', (requested) => {
    const error = refusalOf('standalone', { requested });
    expect(error.name).toBe('MethodNotAvailable');
    expect(error.message).toMatch(/its only method is snapshot/);
  });

  it.each([{}, { requested: 'snapshot' }] as const)(
    'says that the snapshot of a standalone is not in this release: %o',
    (wishes) => {
      const error = refusalOf('standalone', wishes);
      expect(error.name).toBe('MethodNotAvailable');
      expect(error.message).toMatch(/snapshot is not in this release/);
    },
  );

  it('refuses a sharded cluster in this release', () => {
    expect(refusalOf('sharded', {}).name).toBe('UnsupportedTopology');
  });
});
