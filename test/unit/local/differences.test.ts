import { describe, expect, test } from 'vitest';
import type { DeploymentState } from '../../../local/proof/deployment-state.ts';
import { findDifferences } from '../../../local/proof/differences.ts';

const index = (name: string, key: object) => ({ v: 2, key, name });

function state(
  changes: { indexes?: unknown[]; options?: object; hash?: string; users?: object } = {},
): DeploymentState {
  const { indexes = [index('_id_', { _id: 1 }), index('a_b', { a: 1, b: 1 })], options = {}, hash = 'h' } = changes;
  return {
    databases: {
      shop: {
        dbHash: hash,
        collectionHashes: { orders: hash },
        collections: { orders: { type: 'collection', options, indexes } },
      },
    },
    ...(changes.users === undefined ? {} : { users: changes.users as Record<string, unknown> }),
  };
}

describe('differences between two servers', () => {
  test('equal servers have none', () => {
    expect(findDifferences(state(), state())).toEqual([]);
  });

  test('a difference names the way to it, an index by its name', () => {
    const other = state({ indexes: [index('_id_', { _id: 1 }), index('a_b', { a: 1, b: -1 })], hash: 'x' });
    expect(findDifferences(state(), other)).toEqual([
      'shop › dbHash: expected "h", got "x"',
      'shop › collectionHashes › orders: expected "h", got "x"',
      'shop › collections › orders › indexes › a_b › key › b: expected 1, got -1',
    ]);
  });

  test('a missing index, a missing collection and a missing database are differences', () => {
    expect(findDifferences(state(), state({ indexes: [index('_id_', { _id: 1 })] }))).toEqual([
      expect.stringContaining('indexes › a_b: expected {"v":2,"key":{"a":1,"b":1},"name":"a_b"}, got nothing'),
    ]);
    expect(findDifferences(state(), { databases: {} })).toEqual([
      expect.stringMatching(/^shop: expected .* got nothing$/),
    ]);
  });

  test('the order of the fields of an index key counts', () => {
    const turned = state({ indexes: [index('_id_', { _id: 1 }), index('a_b', { b: 1, a: 1 })] });
    expect(findDifferences(state(), turned)).toEqual([expect.stringContaining('indexes › a_b › key')]);
  });

  test('users are compared when the expected state has them', () => {
    const [ops, till] = [{ users: { 'admin.ops': {} } }, { users: { 'shop.till': {} } }];
    expect(findDifferences(state(), state(ops))).toEqual([]);
    expect(findDifferences(state(ops), state(till))).toHaveLength(2);
    expect(findDifferences(state(ops), state())).toHaveLength(1);
  });
});
